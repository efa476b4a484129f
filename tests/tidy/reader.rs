//! Reads the sources of a crate: its modules, what each defines, and every path that each names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta, Stmt, Token, UseTree, Visibility};

/// One crate. Its first module is the root.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) modules: Vec<Module>,
}

/// A module: a file, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// Functions, types, traits, constants and macros that are written here.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Every path in the code, those in the arguments of macros too.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// The names of methods, and the last names of paths.
    pub(crate) calls: BTreeSet<String>,
    /// The names of macros that are called.
    pub(crate) macros: BTreeSet<String>,
}

/// One name that a `use` brings in, or all of a module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// What it is called here: nothing for `*`, and `_` for a trait without a name.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    /// Whether others may use it from here.
    pub(crate) is_reexport: bool,
}

/// Stands first in a path that begins with `::`.
pub(crate) const FOREIGN: &str = "";

/// Reads a crate from its root file. `text` gives the text of a file, if there is one.
pub(crate) fn read(name: &str, root: &Path, text: &dyn Fn(&Path) -> Option<String>) -> Crate {
    let mut reader = Reader { text, modules: Vec::new() };
    reader.file(root, root.parent().unwrap(), None);
    Crate { name: name.to_owned(), modules: reader.modules }
}

struct Reader<'a> {
    text: &'a dyn Fn(&Path) -> Option<String>,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Reads a file whose child modules are looked for in `folder`.
    fn file(&mut self, path: &Path, folder: &Path, parent: Option<usize>) -> usize {
        let text = (self.text)(path).unwrap_or_else(|| panic!("cannot read {}", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.module(path, folder, parent, &file.items)
    }

    fn module(&mut self, file: &Path, folder: &Path, parent: Option<usize>, items: &[Item]) -> usize {
        let id = self.modules.len();
        self.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        let mut contents = Contents::default();
        for item in items {
            contents.visit_item(item);
        }
        let Contents { module, children } = contents;
        for child in &children {
            let name = name(&child.ident);
            let below = folder.join(&name);
            // A module that has another file in some builds is read in both.
            for given in other_paths(&child.attrs) {
                let given = file.parent().unwrap().join(given);
                self.file(&given, given.parent().unwrap(), Some(id));
            }
            let child = match (&child.content, path_attribute(&child.attrs)) {
                (Some((_, items)), _) => self.module(file, &below, Some(id), items),
                (None, Some(given)) => {
                    let given = file.parent().unwrap().join(given);
                    self.file(&given, given.parent().unwrap(), Some(id))
                }
                (None, None) => {
                    let flat = folder.join(format!("{name}.rs"));
                    let nested = below.join("mod.rs");
                    let found = if (self.text)(&flat).is_some() { flat } else { nested };
                    self.file(&found, &below, Some(id))
                }
            };
            self.modules[id].children.insert(name, child);
        }
        let Module { parent, children, file, .. } = std::mem::replace(&mut self.modules[id], module);
        let own = &mut self.modules[id];
        (own.parent, own.children, own.file) = (parent, children, file);
        id
    }
}

/// What stands in one module, without its child modules.
#[derive(Default)]
struct Contents<'ast> {
    module: Module,
    children: Vec<&'ast syn::ItemMod>,
}

impl<'ast> Visit<'ast> for Contents<'ast> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Mod(child) => {
                self.visit_visibility(&child.vis);
                self.children.push(child);
                return;
            }
            Item::Use(item) => {
                let is_reexport = !matches!(item.vis, Visibility::Inherited);
                let mut path = Vec::new();
                if item.leading_colon.is_some() {
                    path.push(FOREIGN.to_owned());
                }
                self.imports(&item.tree, path, is_reexport);
            }
            Item::Const(syn::ItemConst { ident, .. })
            | Item::Enum(syn::ItemEnum { ident, .. })
            | Item::Static(syn::ItemStatic { ident, .. })
            | Item::Struct(syn::ItemStruct { ident, .. })
            | Item::Trait(syn::ItemTrait { ident, .. })
            | Item::TraitAlias(syn::ItemTraitAlias { ident, .. })
            | Item::Type(syn::ItemType { ident, .. })
            | Item::Union(syn::ItemUnion { ident, .. }) => {
                self.module.items.insert(name(ident));
            }
            Item::Fn(item) => {
                self.module.items.insert(name(&item.sig.ident));
            }
            Item::Macro(item) => {
                if let Some(ident) = &item.ident {
                    self.module.items.insert(name(ident));
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !is_for_tests(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_for_tests(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if !matches!(statement, Stmt::Local(local) if is_for_tests(&local.attrs)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = Vec::new();
        if path.leading_colon.is_some() {
            segments.push(FOREIGN.to_owned());
        }
        segments.extend(path.segments.iter().map(|segment| name(&segment.ident)));
        self.path(segments);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.module.calls.insert(name(&call.method));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.module.macros.extend(call.path.segments.last().map(|last| name(&last.ident)));
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.tokens(list.tokens.clone());
        visit::visit_meta_list(self, list);
    }
}

impl Contents<'_> {
    fn path(&mut self, segments: Vec<String>) {
        if segments.len() > 1 {
            self.module.calls.extend(segments.last().cloned());
        }
        self.module.paths.insert(segments);
    }

    fn imports(&mut self, tree: &UseTree, mut path: Vec<String>, is_reexport: bool) {
        match tree {
            UseTree::Path(tree) => {
                path.push(name(&tree.ident));
                self.imports(&tree.tree, path, is_reexport);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(tree, path.clone(), is_reexport);
                }
            }
            UseTree::Glob(_) => self.module.imports.push(Import { name: None, path, is_reexport }),
            UseTree::Name(tree) => {
                let last = name(&tree.ident);
                // `use a::b::{self}` brings in `b`.
                if last != "self" || path.is_empty() {
                    path.push(last);
                }
                self.module.imports.push(Import { name: path.last().cloned(), path, is_reexport });
            }
            UseTree::Rename(tree) => {
                let last = name(&tree.ident);
                if last != "self" || path.is_empty() {
                    path.push(last);
                }
                let name = Some(name(&tree.rename));
                self.module.imports.push(Import { name, path, is_reexport });
            }
        }
    }

    /// Takes paths out of what only a macro understands: `a::b` and single names, but no
    /// members (`.name`), which are noted as calls.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(found)) if found.as_char() == wanted);
        let is_separator = |at: usize| is(at, ':') && is(at + 1, ':');
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if at > 0 && is(at - 1, '.') => {
                    self.module.calls.insert(name(ident));
                }
                TokenTree::Ident(first) => {
                    let mut path = vec![name(first)];
                    while is_separator(at + 1)
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                    {
                        path.push(name(next));
                        at += 3;
                    }
                    if is(at + 1, '!') {
                        self.module.macros.extend(path.last().cloned());
                    }
                    self.path(path);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }
}

/// A name as it is meant: `r#type` is `type`.
fn name(ident: &syn::Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<Meta>().is_ok_and(|condition| is_met(&condition) == Some(false))
    })
}

/// Whether a condition of `cfg` is met when no tests are built; nothing where that depends on more.
fn is_met(condition: &Meta) -> Option<bool> {
    let parts = |list: &syn::MetaList| {
        let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap();
        parts.iter().map(is_met).collect::<Vec<_>>()
    };
    match condition {
        Meta::Path(path) if path.is_ident("test") => Some(false),
        Meta::List(list) if list.path.is_ident("not") => parts(list)[0].map(|met| !met),
        Meta::List(list) if list.path.is_ident("all") => parts(list).contains(&Some(false)).then_some(false),
        Meta::List(list) if list.path.is_ident("any") => {
            parts(list).iter().all(|part| *part == Some(false)).then_some(false)
        }
        _ => None,
    }
}

/// The file of a module, by `#[path = "…"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| path_in(&attribute.meta))
}

/// The files of a module in other builds, by `#[cfg_attr(…, path = "…")]`.
fn other_paths(attributes: &[Attribute]) -> Vec<String> {
    let conditional = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg_attr"));
    conditional
        .flat_map(|attribute| {
            let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).unwrap();
            parts.iter().filter_map(path_in).collect::<Vec<_>>()
        })
        .collect()
}

fn path_in(meta: &Meta) -> Option<String> {
    let Meta::NameValue(pair) = meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
    pair.path.is_ident("path").then(|| text.value())
}
