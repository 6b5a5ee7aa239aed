//! Reads the kernel's own type information (BTF) and finds in it the byte
//! offsets of the fields that the kernel programs read.
//!
//! Only what is needed is kept: the file (about 6 MB) and an index of four
//! bytes a type live while offsets are looked up, then both are dropped. A
//! full parse leaves ten times that resident.
//!
//! Format: Documentation/bpf/btf.rst of the kernel.

use std::{collections::HashMap, fs, io, path::Path};

use thiserror::Error;

/// Where the kernel shows its own types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xEB9F;
/// Anonymous members and typedefs are followed at most this deep.
const MAX_DEPTH: u32 = 16;

/// `BTF_KIND_*`, as far as they matter here.
mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
    pub const MAX: u32 = 19;
}

/// Why type information could not be used.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The file is not there or not readable.
    #[error(
        "this kernel shows no type information at {path} ({error}); a kernel built with CONFIG_DEBUG_INFO_BTF is needed"
    )]
    Unavailable {
        /// The file.
        path: String,
        /// What reading said.
        error: io::Error,
    },
    /// The bytes are not BTF as this reader knows it.
    #[error(
        "the kernel's type information cannot be understood ({0}); please report this with the kernel's version"
    )]
    Malformed(&'static str),
}

/// The types of a kernel.
pub struct Btf {
    bytes: Vec<u8>,
    strings: usize,
    /// Where each type begins; type 1 is at index 0.
    types: Vec<u32>,
}

/// Bytes of `struct btf_header`.
const HEADER: u32 = 24;
/// Bytes of `struct btf_type`.
const HEAD: usize = 12;

/// The head of a type, `struct btf_type`.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    /// Number of members, parameters or values.
    count: u32,
    /// A structure's members carry bit-field sizes.
    kind_flag: bool,
    size_or_type: u32,
    /// Where what follows the head begins.
    body: usize,
}

impl Btf {
    /// Reads the running kernel's types.
    ///
    /// # Errors
    /// When the file is missing or is not BTF.
    pub fn read(path: &Path) -> Result<Self, BtfError> {
        let bytes = fs::read(path)
            .map_err(|error| BtfError::Unavailable { path: path.display().to_string(), error })?;
        Self::parse(bytes)
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let malformed = || BtfError::Malformed("its header is cut");
        if u16_at(&bytes, 0) != Some(MAGIC) {
            return Err(BtfError::Malformed("its magic number is wrong"));
        }
        let word = |at| u32_at(&bytes, at).map(|word| word as usize).ok_or_else(malformed);
        let header = word(4)?;
        let types_begin = header.saturating_add(word(8)?);
        let types_end = types_begin.saturating_add(word(12)?);
        let strings = header.saturating_add(word(16)?);
        let mut btf = Self { bytes, strings, types: Vec::new() };
        let mut at = types_begin;
        while at < types_end {
            btf.types.push(u32::try_from(at).map_err(|_| BtfError::Malformed("it is too large"))?);
            let head = btf.head_at(at).ok_or(BtfError::Malformed("a type is cut"))?;
            at = head.body + body_length(&head)?;
        }
        Ok(btf)
    }

    /// The same as BTF again, with all its ids, but of its types only functions and
    /// type definitions, by whose names programs are attached; the others are empty.
    /// For a reader that takes memory for each part of each type.
    pub fn names(&self) -> Vec<u8> {
        const EMPTY: [u32; 3] = [0, kind::FWD << 24, 0];
        let strings = self.bytes.get(self.strings..).unwrap_or_default();
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let types = length(self.types.len() * HEAD);
        let head = [u32::from(MAGIC) | 1 << 16, HEADER, 0, types, types, length(strings.len())];
        let mut names = Vec::with_capacity(HEADER as usize + self.types.len() * HEAD + strings.len());
        names.extend(head.into_iter().flat_map(u32::to_ne_bytes));
        for &at in &self.types {
            let at = at as usize;
            let is_named =
                self.head_at(at).is_some_and(|head| [kind::FUNC, kind::TYPEDEF].contains(&head.kind));
            match self.bytes.get(at..at + HEAD).filter(|_| is_named) {
                Some(head) => names.extend_from_slice(head),
                None => names.extend(EMPTY.into_iter().flat_map(u32::to_ne_bytes)),
            }
        }
        names.extend_from_slice(strings);
        names
    }

    fn head_at(&self, at: usize) -> Option<Type> {
        let info = u32_at(&self.bytes, at + 4)?;
        Some(Type {
            name: u32_at(&self.bytes, at)?,
            kind: info >> 24 & 0x1f,
            count: info & 0xffff,
            kind_flag: info >> 31 == 1,
            size_or_type: u32_at(&self.bytes, at + 8)?,
            body: at + HEAD,
        })
    }

    fn head(&self, id: u32) -> Option<Type> {
        self.head_at(*self.types.get(id.checked_sub(1)? as usize)? as usize)
    }

    fn name(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.bytes.get(self.strings.checked_add(offset as usize)?..)?;
        rest.split(|&byte| byte == 0).next()
    }

    /// Ids of the types of one kind with one of these names, by name: one pass
    /// for all that is looked for.
    fn find(&self, kind: u32, names: &[&str]) -> Vec<Option<u32>> {
        let mut found = vec![None; names.len()];
        let slots: HashMap<&[u8], usize> =
            names.iter().enumerate().map(|(slot, name)| (name.as_bytes(), slot)).collect();
        for (index, &at) in self.types.iter().enumerate() {
            let Some(head) = self.head_at(at as usize).filter(|head| head.kind == kind) else { continue };
            let Some(name) = self.name(head.name) else { continue };
            let Some(&slot) = slots.get(name) else { continue };
            if let Some(id) = found.get_mut(slot) {
                *id = u32::try_from(index + 1).ok();
            }
        }
        found
    }

    /// Byte offsets of fields, given as structure and dotted member path;
    /// `None` for what this kernel does not have.
    #[must_use]
    pub fn offsets(&self, fields: &[(&str, &str)]) -> Vec<Option<u32>> {
        let mut structures: Vec<&str> = fields.iter().map(|&(structure, _)| structure).collect();
        structures.sort_unstable();
        structures.dedup();
        let ids = self.find(kind::STRUCT, &structures);
        fields
            .iter()
            .map(|(structure, field)| {
                let id = *ids.get(structures.binary_search(structure).ok()?)?;
                self.offset_of(id?, field)
            })
            .collect()
    }

    fn offset_of(&self, structure: u32, path: &str) -> Option<u32> {
        let (mut id, mut bits) = (structure, 0);
        for name in path.split('.') {
            let (member, offset) = self.member(self.strip(id)?, name.as_bytes(), MAX_DEPTH)?;
            id = member;
            bits += offset;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Type and bit offset of a member, looked for through anonymous
    /// structures and unions as C does.
    fn member(&self, id: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        let head = self.head(id)?;
        if !matches!(head.kind, kind::STRUCT | kind::UNION) || depth == 0 {
            return None;
        }
        for index in 0..head.count as usize {
            let at = head.body + index * 12;
            let own = self.name(u32_at(&self.bytes, at)?)?;
            let member = u32_at(&self.bytes, at + 4)?;
            let raw = u32_at(&self.bytes, at + 8)?;
            let bits = if head.kind_flag { raw & 0x00ff_ffff } else { raw };
            if own == name {
                return Some((member, bits));
            }
            if own.is_empty()
                && let Some((inner, offset)) = self.member(self.strip(member)?, name, depth - 1)
            {
                return Some((inner, bits + offset));
            }
        }
        None
    }

    /// The type behind typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let head = self.head(id)?;
            match head.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = head.size_or_type;
                }
                _ => return Some(id),
            }
        }
        None
    }

    /// The parameters of functions; `None` for what this kernel does not have.
    #[must_use]
    pub fn functions(&self, names: &[&str]) -> Vec<Option<Vec<Parameter>>> {
        let found = self.find(kind::FUNC, names);
        found.into_iter().map(|id| self.parameters(self.head(id?)?.size_or_type)).collect()
    }

    /// The arguments tracepoints give to their programs; `None` for what this
    /// kernel does not have.
    #[must_use]
    pub fn tracepoints(&self, names: &[&str]) -> Vec<Option<Vec<Parameter>>> {
        let typedefs: Vec<String> = names.iter().map(|name| format!("btf_trace_{name}")).collect();
        let typedefs: Vec<&str> = typedefs.iter().map(String::as_str).collect();
        let found = self.find(kind::TYPEDEF, &typedefs);
        found.into_iter().map(|id| self.tracepoint(id?)).collect()
    }

    fn tracepoint(&self, typedef: u32) -> Option<Vec<Parameter>> {
        let pointer = self.head(self.strip(typedef)?)?;
        if pointer.kind != kind::PTR {
            return None;
        }
        let mut parameters = self.parameters(pointer.size_or_type)?;
        // The first is the tracepoint's private data.
        (!parameters.is_empty()).then(|| parameters.remove(0));
        Some(parameters)
    }

    fn parameters(&self, function: u32) -> Option<Vec<Parameter>> {
        let head = self.head(self.strip(function)?)?;
        if head.kind != kind::FUNC_PROTO {
            return None;
        }
        (0..head.count as usize)
            .map(|index| self.parameter(u32_at(&self.bytes, head.body + index * 8 + 4)?))
            .collect()
    }

    /// A parameter's type without qualifiers; a pointer's is what it leads to.
    fn parameter(&self, id: u32) -> Option<Parameter> {
        // Zero is void, or the end of a variable list.
        if id == 0 {
            return Some(Parameter::default());
        }
        let id = self.unqualified(id)?;
        let head = self.head(id)?;
        let (pointer, named) = match head.kind {
            kind::PTR if head.size_or_type == 0 => {
                return Some(Parameter { pointer: true, ..Parameter::default() });
            }
            kind::PTR => (true, self.head(self.unqualified(head.size_or_type)?)?),
            _ => (false, head),
        };
        let name = String::from_utf8_lossy(self.name(named.name)?).into_owned();
        let by_value = !pointer && matches!(self.head(self.strip(id)?)?.kind, kind::STRUCT | kind::UNION);
        Some(Parameter { name, pointer, by_value })
    }

    /// The type behind qualifiers, a typedef included.
    fn unqualified(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let head = self.head(id)?;
            match head.kind {
                kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => id = head.size_or_type,
                _ => return Some(id),
            }
        }
        None
    }
}

/// A parameter of a function, as far as hooks depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Name of its type, or of what it points to; empty for `void *`.
    pub name: String,
    /// It is a pointer.
    pub pointer: bool,
    /// It is a whole structure, which not every kernel can hook.
    pub by_value: bool,
}

/// Length of what follows a type's head.
fn body_length(head: &Type) -> Result<usize, BtfError> {
    let count = head.count as usize;
    Ok(match head.kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => count * 12,
        kind::ENUM | kind::FUNC_PROTO => count * 8,
        0 | kind::MAX.. => return Err(BtfError::Malformed("it has a kind of type that is not known")),
        _ => 0,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests;
