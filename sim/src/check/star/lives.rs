//! Something of every life. Lives are counted, and looked at after every input: this is a list by their numbers.

use super::Life;

/// By life.
#[derive(Clone, Debug)]
pub struct Lives<T>(Vec<Option<T>>);

impl<T> Default for Lives<T> {
    fn default() -> Self {
        Lives(Vec::new())
    }
}

impl<T> Lives<T> {
    /// What there is of a life.
    pub fn get(&self, life: Life) -> Option<&T> {
        self.0.get(life.0 as usize)?.as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, life: Life) -> Option<&mut T> {
        self.0.get_mut(life.0 as usize)?.as_mut()
    }

    fn place(&mut self, life: Life) -> &mut Option<T> {
        let index = life.0 as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        &mut self.0[index]
    }

    /// This is of a life from now on; gives what was.
    pub fn insert(&mut self, life: Life, of: T) -> Option<T> {
        self.place(life).replace(of)
    }

    /// This is of a life from now on, unless there is something already.
    pub fn or_insert(&mut self, life: Life, of: T) {
        self.place(life).get_or_insert(of);
    }

    /// Nothing is of a life any more; gives what was.
    pub fn remove(&mut self, life: Life) -> Option<T> {
        self.0.get_mut(life.0 as usize)?.take()
    }

    /// What there is of a life, or else nothing in particular from now on.
    pub fn or_default(&mut self, life: Life) -> &mut T
    where
        T: Default,
    {
        self.place(life).get_or_insert_default()
    }
}
