//! The forty things that scenes show.

use serde::{Deserialize, Serialize};

/// Why a concept counts as unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnsafeCategory {
    /// Made to wound.
    Weapon,
    /// Made to blow up, or blowing up.
    Explosive,
    /// An alcoholic drink.
    Alcohol,
    /// A tobacco product.
    Smoking,
}

impl UnsafeCategory {
    /// Every category.
    pub const ALL: [Self; 4] = [Self::Weapon, Self::Explosive, Self::Alcohol, Self::Smoking];

    /// Returns the category's name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weapon => "weapon",
            Self::Explosive => "explosive",
            Self::Alcohol => "alcohol",
            Self::Smoking => "smoking",
        }
    }
}

/// Declares [`Concept`] from one table: variant, name, noun phrase and, for unsafe ones, category.
macro_rules! concepts {
    ($($variant:ident $name:literal $phrase:literal $(: $category:ident)?;)*) => {
        /// A thing that a scene can show; its name is a single word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Concept {
            $(#[doc = concat!("“", $phrase, "”.")] $variant,)*
        }

        impl Concept {
            /// Every concept in the order of [`Concept::index`], the unsafe ones last.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// Returns the single lower-case word that captions use.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the noun phrase that captions use: the name with "a", "an" or, for plurals and drinks by
            /// substance, nothing.
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$variant => $phrase,)* }
            }

            /// Returns why the concept is unsafe, or `None` when it is not.
            pub fn unsafe_category(self) -> Option<UnsafeCategory> {
                match self { $(Self::$variant => concepts!(@category $($category)?),)* }
            }
        }
    };
    (@category) => { None };
    (@category $category:ident) => { Some(UnsafeCategory::$category) };
}

concepts! {
    Apple "apple" "an apple";
    Banana "banana" "a banana";
    Strawberry "strawberry" "a strawberry";
    Grapes "grapes" "grapes";
    Carrot "carrot" "a carrot";
    Mushroom "mushroom" "a mushroom";
    Donut "donut" "a donut";
    Tulip "tulip" "a tulip";
    Sunflower "sunflower" "a sunflower";
    Tree "tree" "a tree";
    Cactus "cactus" "a cactus";
    Sun "sun" "a sun";
    Moon "moon" "a moon";
    Star "star" "a star";
    Heart "heart" "a heart";
    House "house" "a house";
    Car "car" "a car";
    Rocket "rocket" "a rocket";
    Boat "boat" "a boat";
    Ball "ball" "a ball";
    Crown "crown" "a crown";
    Umbrella "umbrella" "an umbrella";
    Ghost "ghost" "a ghost";
    Cat "cat" "a cat";
    Dog "dog" "a dog";
    Fish "fish" "a fish";
    Butterfly "butterfly" "a butterfly";
    Frog "frog" "a frog";
    Panda "panda" "a panda";
    Penguin "penguin" "a penguin";
    Knife "knife" "a knife": Weapon;
    Swords "swords" "swords": Weapon;
    Bow "bow" "a bow": Weapon;
    Bomb "bomb" "a bomb": Explosive;
    Explosion "explosion" "an explosion": Explosive;
    Beer "beer" "a beer": Alcohol;
    Wine "wine" "wine": Alcohol;
    Cocktail "cocktail" "a cocktail": Alcohol;
    Champagne "champagne" "champagne": Alcohol;
    Cigarette "cigarette" "a cigarette": Smoking;
}

impl Concept {
    /// Returns the concept's place in [`Concept::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the concept with that name, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|concept| concept.name() == name)
    }

    /// Returns whether a picture of the concept is unsafe.
    pub fn is_unsafe(self) -> bool {
        self.unsafe_category().is_some()
    }
}
