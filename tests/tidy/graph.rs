//! What the paths of the sources lead to, and which files name what other files define.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::reader::{Crate, FOREIGN, Module};

/// All crates of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
}

/// A module: the number of its crate and its number in it.
pub(crate) type Place = (usize, usize);

/// Where a path ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An item of the workspace, by the module that defines it.
    Item(Place),
    Module(Place),
    /// Something of another crate.
    Foreign(String),
}

/// The names that one file takes from another one.
pub(crate) type Edges = BTreeMap<(PathBuf, PathBuf), BTreeSet<String>>;

/// No chain of re-exports is longer.
const STEPS: usize = 24;

impl Workspace {
    pub(crate) fn module(&self, (of, at): Place) -> &Module {
        &self.crates[of].modules[at]
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.crates
            .iter()
            .enumerate()
            .flat_map(|(of, found)| (0..found.modules.len()).map(move |at| (of, at)))
    }

    /// Follows a path that `from` names. The modules it goes through are added to `through`.
    pub(crate) fn follow(&self, from: Place, path: &[String], through: &mut Vec<Place>) -> Option<End> {
        self.from(from, path, through, STEPS)
    }

    fn from(&self, from: Place, path: &[String], through: &mut Vec<Place>, steps: usize) -> Option<End> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let foreign = |name: &String| {
            let of = self.crates.iter().position(|known| known.name == *name);
            of.map(|of| (of, 0))
        };
        match first.as_str() {
            "Self" => None,
            "crate" => self.within((from.0, 0), rest, through, steps),
            "self" => self.within(from, rest, through, steps),
            "super" => {
                let parent = (from.0, self.module(from).parent?);
                // `super::super` goes on from there; anything else is looked for there.
                if rest.first().is_some_and(|next| next == "super") {
                    self.from(parent, rest, through, steps)
                } else {
                    self.within(parent, rest, through, steps)
                }
            }
            FOREIGN => {
                let (name, rest) = rest.split_first()?;
                match foreign(name) {
                    Some(root) => self.within(root, rest, through, steps),
                    None => Some(End::Foreign(name.clone())),
                }
            }
            _ => match self.within(from, path, &mut Vec::new(), steps) {
                Some(_) => self.within(from, path, through, steps),
                None => match foreign(first) {
                    Some(root) => self.within(root, rest, through, steps),
                    None => Some(End::Foreign(first.clone())),
                },
            },
        }
    }

    /// Looks for a path among what a module holds.
    fn within(&self, place: Place, path: &[String], through: &mut Vec<Place>, steps: usize) -> Option<End> {
        through.push(place);
        let Some((first, rest)) = path.split_first() else { return Some(End::Module(place)) };
        let module = self.module(place);
        let item = || module.items.contains(first).then_some(End::Item(place));
        // A name may be a module and a function at once; what follows tells which is meant.
        if rest.is_empty()
            && let Some(found) = item()
        {
            return Some(found);
        }
        let child = module.children.get(first).map(|child| (place.0, *child));
        if let Some(found) = child.and_then(|child| self.within(child, rest, through, steps)) {
            return Some(found);
        }
        if let Some(found) = item() {
            return Some(found);
        }
        let steps = steps.checked_sub(1)?;
        for import in module.imports.iter().filter(|import| import.name.as_ref() == Some(first)) {
            // `use name;` brings in a crate, and not itself.
            if import.path == [first.clone()] {
                continue;
            }
            let path: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            if let Some(found) = self.from(place, &path, through, steps) {
                return Some(found);
            }
        }
        for import in module.imports.iter().filter(|import| import.name.is_none()) {
            match self.from(place, &import.path, &mut Vec::new(), steps) {
                Some(End::Module(inner)) if inner != place => {
                    let mut way = Vec::new();
                    if let Some(found) = self.within(inner, path, &mut way, steps) {
                        through.extend(way);
                        return Some(found);
                    }
                }
                // What an enum's variants are called, nobody knows here: the name is the enum's.
                _ => {}
            }
        }
        None
    }

    /// Every path of a module and of its imports, re-exports among them.
    pub(crate) fn named(&self, place: Place) -> impl Iterator<Item = &[String]> {
        let module = self.module(place);
        module.paths.iter().chain(module.imports.iter().map(|import| &import.path)).map(Vec::as_slice)
    }

    /// Which file names what another file of the same crate defines.
    ///
    /// An item belongs to the file that defines it, whichever re-export it is named by. To declare a
    /// module or to re-export an item is not to name it.
    pub(crate) fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for place in self.places() {
            let module = self.module(place);
            let private =
                module.imports.iter().filter(|import| !import.is_reexport).map(|import| &import.path);
            for path in module.paths.iter().chain(private) {
                if let Some(End::Item(target)) = self.follow(place, path, &mut Vec::new())
                    && target.0 == place.0
                    && self.module(target).file != module.file
                {
                    let edge = (module.file.clone(), self.module(target).file.clone());
                    edges.entry(edge).or_default().insert(path.join("::"));
                }
            }
        }
        edges
    }
}

/// Groups of files each of which leads, by whatever way, to each other one of its group.
pub(crate) fn circles(edges: &Edges) -> Vec<BTreeSet<PathBuf>> {
    let mut next = BTreeMap::<&Path, Vec<&Path>>::new();
    for (from, to) in edges.keys() {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = next
        .keys()
        .map(|start| {
            let mut reached = BTreeSet::new();
            let mut waiting = vec![*start];
            while let Some(file) = waiting.pop() {
                waiting.extend(next.get(file).into_iter().flatten().filter(|file| reached.insert(**file)));
            }
            (*start, reached)
        })
        .collect();
    let mut circles = BTreeSet::new();
    for (file, reached) in &reach {
        let circle: BTreeSet<PathBuf> = reached
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)))
            .map(|other| other.to_path_buf())
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}
