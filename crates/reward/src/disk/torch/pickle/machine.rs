//! The machine itself: a stack, a memo, and a list of values.

use std::collections::BTreeMap;

use super::super::WAY_OUT;
use super::function::Function;
use super::reader::Reader;
use super::{Described, Storage, broken};

/// The place of a value in the machine's list.
pub(super) type Place = usize;

#[derive(Clone, Debug)]
pub(super) enum Value {
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

/// Interprets one pickle.
pub(super) struct Machine<'a> {
    reader: Reader<'a>,
    values: Vec<Value>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Place>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        let (values, stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { reader: Reader::new(pickle), values, stack, marks, memo }
    }

    /// Returns the value at a place that the machine gave.
    pub(super) fn value(&self, place: Place) -> &Value {
        &self.values[place]
    }

    /// Runs to the end and returns the result's place.
    pub(super) fn run(&mut self) -> Result<Place, String> {
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

fn unknown(code: u8, at: usize) -> String {
    format!("its pickle has instruction {code:#04x} at byte {at}, which no plain state dict needs: {WAY_OUT}")
}
