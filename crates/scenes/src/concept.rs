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

/// Declares [`Concept`] from one table: variant, name, noun phrase, plural or `-`, and, for unsafe ones, category.
macro_rules! concepts {
    ($($variant:ident $name:literal $phrase:literal $plural:tt $(: $category:ident)?;)*) => {
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

            /// Returns the noun that captions use for several objects, or `None` for what is a plural already or named by
            /// its substance.
            pub fn plural(self) -> Option<&'static str> {
                match self { $(Self::$variant => concepts!(@plural $plural),)* }
            }

            /// Returns why the concept is unsafe, or `None` when it is not.
            pub fn unsafe_category(self) -> Option<UnsafeCategory> {
                match self { $(Self::$variant => concepts!(@category $($category)?),)* }
            }
        }
    };
    (@plural -) => { None };
    (@plural $plural:literal) => { Some($plural) };
    (@category) => { None };
    (@category $category:ident) => { Some(UnsafeCategory::$category) };
}

concepts! {
    Apple "apple" "an apple" "apples";
    Banana "banana" "a banana" "bananas";
    Strawberry "strawberry" "a strawberry" "strawberries";
    Grapes "grapes" "grapes" -;
    Carrot "carrot" "a carrot" "carrots";
    Mushroom "mushroom" "a mushroom" "mushrooms";
    Donut "donut" "a donut" "donuts";
    Tulip "tulip" "a tulip" "tulips";
    Sunflower "sunflower" "a sunflower" "sunflowers";
    Tree "tree" "a tree" "trees";
    Cactus "cactus" "a cactus" "cacti";
    Sun "sun" "a sun" "suns";
    Moon "moon" "a moon" "moons";
    Star "star" "a star" "stars";
    Heart "heart" "a heart" "hearts";
    House "house" "a house" "houses";
    Car "car" "a car" "cars";
    Rocket "rocket" "a rocket" "rockets";
    Boat "boat" "a boat" "boats";
    Ball "ball" "a ball" "balls";
    Crown "crown" "a crown" "crowns";
    Umbrella "umbrella" "an umbrella" "umbrellas";
    Ghost "ghost" "a ghost" "ghosts";
    Cat "cat" "a cat" "cats";
    Dog "dog" "a dog" "dogs";
    Fish "fish" "a fish" "fish";
    Butterfly "butterfly" "a butterfly" "butterflies";
    Frog "frog" "a frog" "frogs";
    Panda "panda" "a panda" "pandas";
    Penguin "penguin" "a penguin" "penguins";
    Knife "knife" "a knife" "knives": Weapon;
    Swords "swords" "swords" -: Weapon;
    Bow "bow" "a bow" "bows": Weapon;
    Bomb "bomb" "a bomb" "bombs": Explosive;
    Explosion "explosion" "an explosion" "explosions": Explosive;
    Beer "beer" "a beer" "beers": Alcohol;
    Wine "wine" "wine" -: Alcohol;
    Cocktail "cocktail" "a cocktail" "cocktails": Alcohol;
    Champagne "champagne" "champagne" -: Alcohol;
    Cigarette "cigarette" "a cigarette" "cigarettes": Smoking;
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

    /// Returns whether the noun phrase begins with "a" or "an".
    pub fn takes_article(self) -> bool {
        self.phrase() != self.name()
    }

    /// Returns whether an image of the concept is unsafe.
    pub fn is_unsafe(self) -> bool {
        self.unsafe_category().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_takes_an_article_has_a_plural() {
        let without: Vec<_> = Concept::ALL.into_iter().filter(|concept| concept.plural().is_none()).collect();
        assert_eq!(without, [Concept::Grapes, Concept::Swords, Concept::Wine, Concept::Champagne]);
        assert!(Concept::ALL.into_iter().all(|concept| concept.takes_article() == concept.plural().is_some()));
    }

    #[test]
    fn plurals_are_different_words() {
        let mut plurals: Vec<_> = Concept::ALL.into_iter().filter_map(Concept::plural).collect();
        plurals.sort_unstable();
        plurals.dedup();
        assert_eq!(plurals.len(), 36);
        let shared: Vec<_> = plurals.into_iter().filter(|plural| Concept::from_name(plural).is_some()).collect();
        assert_eq!(shared, ["fish"]);
    }
}
