//! What a thread leaves behind.

/// What is done at the end, also of a thread that panics: its twin would go on alone.
pub struct Finally<F: Fn()>(pub F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        self.0();
    }
}
