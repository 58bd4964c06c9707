//! Python's pickle machine, as far as plain state dicts need it.
//!
//! Values live in one list and refer to each other by place, so that deep nesting and cycles cost nothing. A function can be
//! called only if it is one of [`Function`], and none of them does more than to describe a tensor.

mod reader;

use std::collections::BTreeMap;

use reader::Reader;

use super::WAY_OUT;

/// The numbers of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementType {
    Double,
    Float,
    Half,
    BFloat16,
}

/// A file of numbers in the zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) element: ElementType,
}

/// Where a tensor's values lie: index i is at `offset` + Σ iₖ·`strides`ₖ of its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What a pickle may name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Function {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(ElementType),
    /// A storage of integers; tensors on it are passed over.
    OtherStorage,
}

impl Function {
    fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "DoubleStorage") => Self::StorageOf(ElementType::Double),
            ("torch", "FloatStorage") => Self::StorageOf(ElementType::Float),
            ("torch", "HalfStorage") => Self::StorageOf(ElementType::Half),
            ("torch", "BFloat16Storage") => Self::StorageOf(ElementType::BFloat16),
            (
                "torch",
                "LongStorage" | "IntStorage" | "ShortStorage" | "CharStorage" | "ByteStorage" | "BoolStorage",
            ) => Self::OtherStorage,
            _ => return None,
        })
    }
}

/// The place of a value in the machine's list.
type Place = usize;

#[derive(Clone, Debug)]
enum Value {
    Whole(i64),
    Text(String),
    Tuple(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Function(Function),
    Storage(Storage),
    Tensor(Described),
    /// A value that a state dict may hold beside tensors: None, booleans, floats, lists, tensors of integers.
    Other,
}

/// Returns the tensors of the dict that a pickle describes, or of its entry `state_dict`.
///
/// # Errors
/// Refuses pickles that name anything but tensors and dicts, and such as no plain state dict is.
pub(super) fn tensors(pickle: &[u8]) -> Result<BTreeMap<String, Described>, String> {
    let mut machine = Machine {
        reader: Reader::new(pickle),
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    let result = machine.run()?;
    let text = |place: &Place| match &machine.values[*place] {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    };
    let dict = |place: Place| match &machine.values[place] {
        Value::Dict(entries) => Some(entries),
        _ => None,
    };
    let Some(mut entries) = dict(result) else {
        return Err(format!("it holds no dict of tensors: save the module's state_dict(); {WAY_OUT}"));
    };
    let nested = entries.iter().find(|(key, _)| text(key) == Some("state_dict"));
    if let Some(nested) = nested.and_then(|(_, value)| dict(*value)) {
        entries = nested;
    }
    let tensor = |(key, value): &(Place, Place)| match &machine.values[*value] {
        Value::Tensor(tensor) => Some((text(key)?.to_owned(), tensor.clone())),
        _ => None,
    };
    Ok(entries.iter().filter_map(tensor).collect())
}

struct Machine<'a> {
    reader: Reader<'a>,
    values: Vec<Value>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Place>,
}

impl Machine<'_> {
    /// Runs to the end and returns the result's place.
    fn run(&mut self) -> Result<Place, String> {
        loop {
            let at = self.reader.offset();
            let code = self.reader.byte()?;
            match code {
                // PROTO and FRAME say nothing of the values.
                0x80 => drop(self.reader.byte()?),
                0x95 => drop(self.reader.take(8)?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'}' => self.push(Value::Dict(Vec::new())),
                b')' => self.push(Value::Tuple(Vec::new())),
                b']' | b'N' | 0x88 | 0x89 => self.push(Value::Other),
                b'G' => {
                    self.reader.take(8)?;
                    self.push(Value::Other);
                }
                b'K' | b'M' | b'J' | 0x8a => {
                    let number = self.reader.whole(code)?;
                    self.push(Value::Whole(number));
                }
                b'X' | 0x8c | 0x8d => {
                    let text = self.reader.text(code)?;
                    self.push(Value::Text(text));
                }
                b'q' | b'r' | 0x94 => {
                    let key = if code == 0x94 { self.memo.len() as u64 } else { self.reader.index(code == b'q')? };
                    let top = self.top()?;
                    self.memo.insert(key, top);
                }
                b'h' | b'j' => {
                    let key = self.reader.index(code == b'h')?;
                    let place = self.memo.get(&key).copied().ok_or_else(broken)?;
                    self.stack.push(place);
                }
                b't' => {
                    let items = self.since_mark()?;
                    self.push(Value::Tuple(items));
                }
                0x85..=0x87 => {
                    let start = self.stack.len().checked_sub(usize::from(code - 0x84)).ok_or_else(broken)?;
                    let items = self.stack.split_off(start);
                    self.push(Value::Tuple(items));
                }
                b'a' => drop(self.pop()?),
                b'e' => drop(self.since_mark()?),
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(&items)?;
                }
                b'c' => {
                    let (module, name) = (self.reader.line()?, self.reader.line()?);
                    self.push_function(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (name, module) = (self.text(name)?, self.text(module)?);
                    self.push_function(&module, &name)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(storage);
                }
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let made = self.call(function, arguments)?;
                    self.push(made);
                }
                b'b' => {
                    // The state of an OrderedDict: its `_metadata`.
                    self.pop()?;
                    let top = self.top()?;
                    if !matches!(self.values[top], Value::Dict(_)) {
                        return Err(unknown(code, at));
                    }
                }
                _ => return Err(unknown(code, at)),
            }
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Place, String> {
        self.stack.pop().ok_or_else(broken)
    }

    fn top(&self) -> Result<Place, String> {
        self.stack.last().copied().ok_or_else(broken)
    }

    fn since_mark(&mut self) -> Result<Vec<Place>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(broken)?;
        Ok(self.stack.split_off(mark))
    }

    /// Adds keys and values, in turn, to the dict on top.
    fn set(&mut self, items: &[Place]) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(entries) => entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            _ => return Err(broken()),
        }
        Ok(())
    }

    fn push_function(&mut self, module: &str, name: &str) -> Result<(), String> {
        let Some(function) = Function::named(module, name) else {
            return Err(format!(
                "its pickle asks for `{module}.{name}`, which no plain state dict needs and which could run any program: \
                 {WAY_OUT}"
            ));
        };
        self.push(Value::Function(function));
        Ok(())
    }

    /// Returns the storage of a persistent id: ("storage", type, key, device, elements).
    fn storage(&self, id: Place) -> Result<Value, String> {
        let parts = self.tuple(id)?;
        let [_, element, key, ..] = parts else { return Err(broken()) };
        let key = self.text(*key)?;
        match &self.values[*element] {
            Value::Function(Function::StorageOf(element)) => Ok(Value::Storage(Storage { key, element: *element })),
            Value::Function(Function::OtherStorage) => Ok(Value::Other),
            _ => Err(broken()),
        }
    }

    fn call(&self, function: Place, arguments: Place) -> Result<Value, String> {
        let Value::Function(function) = &self.values[function] else { return Err(broken()) };
        let arguments = self.tuple(arguments)?;
        match (function, arguments) {
            (Function::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
            (Function::RebuildParameter, [tensor, ..]) => Ok(self.values[*tensor].clone()),
            (Function::RebuildTensor, [storage, offset, shape, strides, ..]) => match &self.values[*storage] {
                Value::Storage(storage) => {
                    let (shape, strides) = (self.sizes(*shape)?, self.sizes(*strides)?);
                    let offset = self.size(*offset)?;
                    if shape.len() != strides.len() {
                        return Err(broken());
                    }
                    Ok(Value::Tensor(Described { storage: storage.clone(), offset, shape, strides }))
                }
                _ => Ok(Value::Other),
            },
            _ => Err(broken()),
        }
    }

    fn tuple(&self, place: Place) -> Result<&[Place], String> {
        match &self.values[place] {
            Value::Tuple(items) => Ok(items),
            _ => Err(broken()),
        }
    }

    fn text(&self, place: Place) -> Result<String, String> {
        match &self.values[place] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(broken()),
        }
    }

    fn sizes(&self, place: Place) -> Result<Vec<usize>, String> {
        self.tuple(place)?.iter().map(|size| self.size(*size)).collect()
    }

    fn size(&self, place: Place) -> Result<usize, String> {
        match self.values[place] {
            Value::Whole(number) => usize::try_from(number).map_err(|_| broken()),
            _ => Err(broken()),
        }
    }
}

fn broken() -> String {
    "its pickle is broken (truncated or corrupt? fetch it again)".into()
}

fn unknown(code: u8, at: usize) -> String {
    format!("its pickle has instruction {code:#04x} at byte {at}, which no plain state dict needs: {WAY_OUT}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_that_are_cut_short_or_twisted_are_refused_and_never_panic() {
        let whole: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01u.";
        assert_eq!(tensors(whole), Ok(BTreeMap::new()));
        for end in 0..whole.len() {
            assert!(tensors(&whole[..end]).is_err(), "{end}");
        }
        for place in 0..whole.len() {
            for byte in 0..=255 {
                let mut twisted = whole.to_vec();
                twisted[place] = byte;
                let _ = tensors(&twisted);
            }
        }
    }

    #[test]
    fn foreign_functions_and_instructions_are_named() {
        let error = tensors(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
        assert!(error.contains("`posix.system`"), "{error}");
        let error = tensors(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.").unwrap_err();
        assert!(error.contains("`builtins.eval`"), "{error}");
        let error = tensors(b"\x80\x02}\x81.").unwrap_err();
        assert!(error.contains("0x81 at byte 3"), "{error}");
    }

    #[test]
    fn deep_nesting_and_cycles_cost_nothing() {
        let mut deep = b"\x80\x02)".to_vec();
        deep.extend(std::iter::repeat_n(0x85, 500_000));
        deep.push(b'.');
        assert!(tensors(&deep).is_err());
        assert_eq!(tensors(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."), Ok(BTreeMap::new()));
    }
}
