//! The reader by itself, on sources made up for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::graph::{End, Workspace, circles};
use crate::reader;

fn workspace(files: &[(&str, &str)]) -> Workspace {
    let files: BTreeMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
    let text = |path: &Path| files.get(path).map(|text| (*text).to_owned());
    let mut crates = vec![reader::read("gateway", Path::new("src/lib.rs"), &text)];
    if files.contains_key(Path::new("other/lib.rs")) {
        crates.push(reader::read("other", Path::new("other/lib.rs"), &text));
    }
    Workspace { crates }
}

/// Who names whose items, as `from > to`, without folder and ending.
#[track_caller]
fn assert_edges(files: &[(&str, &str)], expected: &[&str]) {
    let short = |path: &PathBuf| {
        let path = path.to_str().unwrap();
        path.trim_start_matches("src/").trim_end_matches(".rs").to_owned()
    };
    let edges = workspace(files).edges();
    let found: BTreeSet<String> =
        edges.keys().map(|(from, to)| format!("{} > {}", short(from), short(to))).collect();
    assert_eq!(found, expected.iter().map(|edge| (*edge).to_owned()).collect(), "{edges:?}");
}

/// Where a path in the file `a` leads.
fn follow(files: &[(&str, &str)], path: &str) -> Option<End> {
    let workspace = workspace(files);
    let place =
        workspace.places().find(|place| workspace.module(*place).file == Path::new("src/a.rs")).unwrap();
    let path: Vec<String> = path.split("::").map(str::to_owned).collect();
    workspace.follow(place, &path, &mut Vec::new())
}

const ROOT: (&str, &str) = ("src/lib.rs", "mod a; mod b; mod c;");
const B: (&str, &str) = ("src/b.rs", "pub struct Bee; pub fn buzz() {}");
const C: (&str, &str) = ("src/c.rs", "pub struct Sea; pub mod deep { pub struct Fish; }");

#[test]
fn groups_renames_and_nested_modules_are_seen_through() {
    assert_edges(
        &[ROOT, ("src/a.rs", "use crate::{b::{self, Bee as Insect}, c::deep::{Fish}};"), B, C],
        &["a > b", "a > c"],
    );
    assert_edges(&[ROOT, ("src/a.rs", "use crate::{b, c}; fn f() { b::buzz() }"), B, C], &["a > b"]);
}

#[test]
fn everything_of_a_module_is_what_is_named_of_it() {
    assert_edges(
        &[ROOT, ("src/a.rs", "use crate::b::*; use crate::c::*; fn f(_: Bee) {}"), B, C],
        &["a > b"],
    );
}

#[test]
fn paths_count_wherever_they_stand() {
    for code in [
        "fn f() -> crate::b::Bee { todo!() }",
        "fn f() { crate::b::buzz(); }",
        "fn f() { use crate::b::buzz; buzz(); }",
        "fn f() { println!(\"{}\", crate::b::buzz()); }",
        "fn f() { assert!(matches!(x, [super::b::Bee])); }",
        "#[derive(crate::b::Bee)] struct S;",
        "struct S<T: super::b::Bee>(T);",
        "impl From<super::b::Bee> for u8 {}",
        "mod inner { fn f(_: super::super::b::Bee) {} }",
        "mod inner { use super::super::b::Bee; }",
        "mod inner { mod more { use super::super::super::b::{Bee}; } }",
    ] {
        assert_edges(&[ROOT, ("src/a.rs", code), B, C], &["a > b"]);
    }
}

#[test]
fn texts_comments_and_members_name_nothing() {
    for code in [
        "const T: &str = \"crate::b::Bee {super::b::Bee\";",
        "/// See [`crate::b::Bee`].\nfn f() { /* crate::b::buzz() */ }",
        "fn f(x: X) { x.buzz(); x.Bee; println!(\"{}\", x.buzz()); }",
        "pub(in crate::b) fn f() {}",
    ] {
        assert_edges(&[ROOT, ("src/a.rs", code), B, C], &[]);
    }
}

#[test]
fn what_only_tests_have_is_left_out() {
    for code in [
        "#[cfg(test)] mod tests { use crate::b::Bee; }",
        "#[cfg(test)] mod nowhere;",
        "#[cfg(all(test, unix))] use crate::b::Bee;",
        "#[test] fn f() { crate::b::buzz() }",
        "enum E { #[cfg(test)] B(crate::b::Bee) }",
        "impl E { #[cfg(test)] fn f() { crate::b::buzz() } }",
        "fn f() { match x { #[cfg(test)] crate::b::Bee => {} } }",
    ] {
        assert_edges(&[ROOT, ("src/a.rs", code), B, C], &[]);
    }
    for code in ["#[cfg(not(test))] use crate::b::Bee;", "#[cfg(any(test, unix))] use crate::b::Bee;"] {
        assert_edges(&[ROOT, ("src/a.rs", code), B, C], &["a > b"]);
    }
}

#[test]
fn an_item_belongs_to_the_file_that_defines_it() {
    let root = ("src/lib.rs", "mod a; mod door; pub use door::Bee as Short;");
    let door = ("src/door/mod.rs", "mod b; mod c; pub use b::*; pub(crate) use c::Sea as Ocean;");
    let b = ("src/door/b.rs", "pub struct Bee;");
    let c = ("src/door/c.rs", "pub struct Sea;");
    assert_edges(&[root, ("src/a.rs", "use crate::door::Bee;"), door, b, c], &["a > door/b"]);
    assert_edges(&[root, ("src/a.rs", "use crate::Short;"), door, b, c], &["a > door/b"]);
    assert_edges(&[root, ("src/a.rs", "fn f(_: crate::door::Ocean) {}"), door, b, c], &["a > door/c"]);
    let door = ("src/door/mod.rs", "mod b; mod c; pub use c::Sea; pub fn f(_: Sea) {}");
    assert_edges(&[root, ("src/a.rs", ""), door, b, c], &["door/mod > door/c"]);
}

#[test]
fn a_module_may_lie_where_its_path_says() {
    let root = ("src/lib.rs", "mod a; #[path = \"odd/place.rs\"] mod b; mod c;");
    let odd = ("src/odd/place.rs", "pub struct Bee;");
    assert_edges(&[root, ("src/a.rs", "use crate::b::Bee;"), odd, C], &["a > odd/place"]);
    let root = ("src/lib.rs", "mod a; #[cfg_attr(not(feature = \"b\"), path = \"no_b.rs\")] mod b; mod c;");
    let without = ("src/no_b.rs", "use super::c::Sea; pub struct Bee;");
    assert_edges(&[root, ("src/a.rs", "use crate::b::Bee;"), B, C, without], &["a > b", "no_b > c"]);
}

#[test]
fn a_name_may_be_a_module_and_a_function() {
    let root = ("src/lib.rs", "mod a; mod door;");
    let door = ("src/door/mod.rs", "pub mod b; pub fn b() {}");
    let b = ("src/door/b.rs", "pub fn c() {}");
    assert_edges(&[root, ("src/a.rs", "fn f() { crate::door::b(); }"), door, b], &["a > door/mod"]);
    assert_edges(&[root, ("src/a.rs", "fn f() { crate::door::b::c(); }"), door, b], &["a > door/b"]);
}

#[test]
fn foreign_crates_are_told_from_modules_of_the_same_name() {
    let foreign = |name: &str| Some(End::Foreign(name.to_owned()));
    let files = &[ROOT, ("src/a.rs", "use tls::ring as sealed; use ring; mod hyper { fn f() {} }"), B, C];
    assert_eq!(follow(files, "ring::digest"), foreign("ring"));
    assert_eq!(follow(files, "sealed::digest"), foreign("tls"));
    assert_eq!(follow(files, "::hyper::f"), foreign("hyper"));
    assert_eq!(follow(files, "hyper::f"), Some(End::Item((0, 2))));
}

#[test]
fn paths_lead_into_other_crates_of_the_workspace() {
    let root = ("src/lib.rs", "pub use other as renamed; mod a;");
    let files = &[
        root,
        ("src/a.rs", ""),
        ("other/lib.rs", "mod inner; pub use inner::Thing;"),
        ("other/inner.rs", "pub struct Thing;"),
    ];
    for path in ["other::Thing", "crate::renamed::Thing", "super::renamed::Thing", "::other::Thing"] {
        assert_eq!(follow(files, path), Some(End::Item((1, 1))), "{path}");
    }
    assert_edges(&[root, ("src/a.rs", "use other::Thing;"), files[2], files[3]], &[]);
}

#[test]
fn the_way_of_a_path_is_told() {
    let workspace = workspace(&[ROOT, ("src/a.rs", ""), B, ("src/c.rs", "pub use super::b::Bee;")]);
    let mut through = Vec::new();
    let path = ["crate", "c", "Bee"].map(str::to_owned);
    workspace.follow((0, 1), &path, &mut through);
    let names: Vec<_> =
        through.iter().map(|place| workspace.module(*place).file.display().to_string()).collect();
    assert_eq!(names, ["src/lib.rs", "src/c.rs", "src/lib.rs", "src/b.rs"]);
}

#[track_caller]
fn assert_circles(files: &[(&str, &str)], expected: &[&[&str]]) {
    let circles = circles(&workspace(files).edges());
    let expected: Vec<BTreeSet<PathBuf>> =
        expected.iter().map(|files| files.iter().map(PathBuf::from).collect()).collect();
    assert_eq!(circles, expected);
}

#[test]
fn a_circle_is_found_whatever_its_length() {
    let a = ("src/a.rs", "use crate::b::Bee; pub struct Ah;");
    let c = ("src/c.rs", "use crate::a::Ah; pub struct Sea;");
    assert_circles(&[ROOT, a, ("src/b.rs", "pub struct Bee;"), c], &[]);
    assert_circles(
        &[ROOT, a, ("src/b.rs", "pub struct Bee; fn f(_: super::a::Ah) {}"), c],
        &[&["src/a.rs", "src/b.rs"]],
    );
    assert_circles(
        &[ROOT, a, ("src/b.rs", "pub struct Bee(crate::c::Sea);"), c],
        &[&["src/a.rs", "src/b.rs", "src/c.rs"]],
    );
}

/// A parent may declare its children and show their items; what it defines itself and a child
/// names, it must not build of that child.
#[test]
fn parent_and_child_are_a_circle_if_each_names_the_other_ones_items() {
    let root = ("src/lib.rs", "mod a;");
    let child = ("src/a/child.rs", "use super::Shared; pub fn work(_: Shared) {}");
    assert_circles(
        &[root, ("src/a/mod.rs", "mod child; pub use child::work; pub struct Shared;"), child],
        &[],
    );
    assert_circles(
        &[root, ("src/a/mod.rs", "mod child; pub struct Shared; fn f() { child::work(Shared) }"), child],
        &[&["src/a/child.rs", "src/a/mod.rs"]],
    );
}
