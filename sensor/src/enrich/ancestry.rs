//! The programs that led to a process.

use std::sync::Arc;

use bytes::Bytes;

use super::image::Image;

/// Programs remembered at most: each is there once, so that only who runs ever
/// new ones gets that far.
const MAX: usize = 64;

/// The executables that a process and its ancestors ran before the one it runs
/// now. A child shares it with its parent, and it outlives them.
#[derive(Clone, Debug, Default)]
pub struct Ancestry(Option<Arc<Step>>);

#[derive(Debug)]
struct Step {
    exe: Bytes,
    is_real: bool,
    depth: usize,
    before: Option<Arc<Self>>,
}

impl Ancestry {
    /// That of a process that ran `image` so far and now runs another one.
    #[must_use]
    pub fn after(&self, image: &Image) -> Self {
        self.and(image.exe().clone(), image.is_real())
    }

    /// The same with one more executable; `is_real` unless its path is no longer,
    /// or never was, a file.
    #[must_use]
    pub fn and(&self, exe: Bytes, is_real: bool) -> Self {
        let depth = self.0.as_ref().map_or(0, |step| step.depth) + 1;
        if exe.is_empty() || depth > MAX || self.iter().any(|known| known == (&exe, is_real)) {
            return self.clone();
        }
        Self(Some(Arc::new(Step { exe, is_real, depth, before: self.0.clone() })))
    }

    /// Each executable, the last first, and whether its path was that of a file.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, bool)> {
        std::iter::successors(self.0.as_deref(), |step| step.before.as_deref())
            .map(|step| (&step.exe, step.is_real))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_there_once_and_their_number_is_bounded() {
        let mut ancestry = Ancestry::default();
        for round in 0..3 {
            for exe in ["/bin/a", "/bin/b"] {
                ancestry = ancestry.and(exe.into(), true);
            }
            assert_eq!(ancestry.iter().count(), 2, "{round}");
        }
        for number in 0..1000 {
            ancestry = ancestry.and(format!("/tmp/{number}").into(), true);
        }
        assert_eq!(ancestry.iter().count(), MAX);
        assert_eq!(ancestry.iter().last(), Some((&Bytes::from("/bin/a"), true)));
    }
}
