//! The images of a file of preferences, each once.

use std::collections::HashMap;

use moa_preferences::Image;

/// Images of prompts, each once.
#[derive(Default)]
pub(crate) struct Album<'a> {
    places: HashMap<(usize, String), usize>,
    prompt_places: HashMap<String, usize>,
    pub(crate) images: Vec<(usize, &'a Image)>,
    pub(crate) prompts: Vec<String>,
}

impl<'a> Album<'a> {
    /// Returns the place of a prompt.
    pub(crate) fn prompt(&mut self, prompt: &str) -> usize {
        if let Some(known) = self.prompt_places.get(prompt) {
            return *known;
        }
        self.prompts.push(prompt.to_owned());
        self.prompt_places.insert(prompt.to_owned(), self.prompts.len() - 1);
        self.prompts.len() - 1
    }

    /// Returns the place of an image of a prompt.
    pub(crate) fn image(&mut self, prompt: usize, image: &'a Image) -> usize {
        *self.places.entry((prompt, image.key())).or_insert_with(|| {
            self.images.push((prompt, image));
            self.images.len() - 1
        })
    }

    /// Returns the place of an image of a prompt, where it was added before.
    pub(crate) fn find(&self, prompt: &str, image: &Image) -> Option<usize> {
        self.places.get(&(*self.prompt_places.get(prompt)?, image.key())).copied()
    }
}
