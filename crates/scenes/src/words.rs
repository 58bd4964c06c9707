//! Enums whose variants are words of captions.

/// Declares an enum from one table, variant and words, with `ALL`, `name`, `index` and `from_name`.
macro_rules! words {
    ($(#[$attribute:meta])* $enum:ident { $($variant:ident $name:literal;)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        $(#[$attribute])*
        pub enum $enum {
            $(#[doc = concat!("“", $name, "”.")] $variant,)*
        }

        impl $enum {
            /// Every value in the order of its `index`.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// Returns the words that captions use.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the value's place in `ALL`.
            pub fn index(self) -> usize {
                self as usize
            }

            /// Returns the value of that name, if any.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.name() == name)
            }
        }
    };
}

pub(crate) use words;
