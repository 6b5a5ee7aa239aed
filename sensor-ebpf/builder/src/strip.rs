//! Leaves out of an object what only a debugger reads.

use object::{
    build::{
        Result,
        elf::{Builder, SectionData},
    },
    elf::SHT_STRTAB,
};

/// The object without its DWARF sections, which are most of what the linker
/// writes, and without the relocations of BTF, which hold nothing that is not
/// in place already and which no loader applies. Programs, maps, symbols and
/// BTF stay, the latter with the line numbers that a verifier's log quotes.
pub fn strip(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object)?;
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        let of_btf = matches!(section.data, SectionData::Relocation(_)) && name.starts_with(b".rel.BTF");
        section.delete = of_btf || name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    // The relocations and symbols of what was deleted; the order of the rest,
    // which is the linker's, stays.
    builder.delete_orphans();
    // LLVM keeps the names of sections and of symbols in one table, which
    // `object` reads but does not write.
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    builder.set_section_sizes();
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    Ok(stripped)
}
