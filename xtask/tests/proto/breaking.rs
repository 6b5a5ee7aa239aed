//! Which promises of one set of descriptors another one breaks.
//!
//! A change is breaking when a program that was generated from the old files,
//! or a script that reads the JSON, could misunderstand the new ones: anything
//! named or numbered must stay, with its type. Adding is always fine.

use std::collections::BTreeMap;

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

/// What is gone or different, one sentence each.
pub fn breaking(old: &FileDescriptorSet, new: &FileDescriptorSet) -> Vec<String> {
    let (old, new) = (promises(old), promises(new));
    let changed = |(what, said): (&String, &String)| match new.get(what) {
        None => Some(format!("{what} is gone (was {said})")),
        Some(now) if now != said => Some(format!("{what} was {said}, now is {now}")),
        Some(_) => None,
    };
    old.iter().filter_map(changed).collect()
}

/// Everything others rely on, by what identifies it on the wire.
fn promises(set: &FileDescriptorSet) -> BTreeMap<String, String> {
    let mut promises = BTreeMap::new();
    for file in &set.file {
        let package = file.package();
        for message in &file.message_type {
            message_promises(package, message, &mut promises);
        }
        for each in &file.enum_type {
            enum_promises(package, each, &mut promises);
        }
        for service in &file.service {
            for method in &service.method {
                let streams = (method.client_streaming(), method.server_streaming());
                let said =
                    format!("{} -> {}, streaming {streams:?}", method.input_type(), method.output_type());
                promises.insert(format!("rpc {package}.{}/{}", service.name(), method.name()), said);
            }
        }
    }
    promises
}

fn message_promises(scope: &str, message: &DescriptorProto, promises: &mut BTreeMap<String, String>) {
    let name = format!("{scope}.{}", message.name());
    promises.insert(format!("message {name}"), "a message".into());
    for field in &message.field {
        let oneof = field
            .oneof_index
            .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
            .map(|oneof| format!(" in oneof {}", oneof.name()))
            .unwrap_or_default();
        let said = format!(
            "{} ({}): {:?} {:?}{}{oneof}",
            field.name(),
            field.json_name(),
            field.label(),
            field.r#type(),
            field.type_name(),
        );
        promises.insert(format!("field {} of {name}", field.number()), said);
    }
    for nested in &message.nested_type {
        message_promises(&name, nested, promises);
    }
    for nested in &message.enum_type {
        enum_promises(&name, nested, promises);
    }
}

fn enum_promises(scope: &str, each: &EnumDescriptorProto, promises: &mut BTreeMap<String, String>) {
    for value in &each.value {
        // By name, since two names may share a number.
        promises
            .insert(format!("{} of enum {scope}.{}", value.name(), each.name()), value.number().to_string());
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
        FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, OneofDescriptorProto,
        ServiceDescriptorProto, field_descriptor_proto::Type,
    };

    use super::breaking;

    fn set() -> FileDescriptorSet {
        let field = |name: &str, number, kind: Type| FieldDescriptorProto {
            name: Some(name.into()),
            number: Some(number),
            r#type: Some(kind.into()),
            ..Default::default()
        };
        let message = DescriptorProto {
            name: Some("M".into()),
            field: vec![field("a", 1, Type::String), field("b", 2, Type::Uint32)],
            oneof_decl: vec![OneofDescriptorProto { name: Some("o".into()), ..Default::default() }],
            ..Default::default()
        };
        let value =
            EnumValueDescriptorProto { name: Some("ONE".into()), number: Some(1), ..Default::default() };
        let method = MethodDescriptorProto {
            name: Some("Get".into()),
            input_type: Some(".p.M".into()),
            output_type: Some(".p.M".into()),
            ..Default::default()
        };
        FileDescriptorSet {
            file: vec![FileDescriptorProto {
                package: Some("p".into()),
                message_type: vec![message],
                enum_type: vec![EnumDescriptorProto {
                    name: Some("E".into()),
                    value: vec![value],
                    ..Default::default()
                }],
                service: vec![ServiceDescriptorProto {
                    name: Some("S".into()),
                    method: vec![method],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        }
    }

    fn broken_by(change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<String> {
        let mut new = set();
        change(&mut new.file[0]);
        breaking(&set(), &new)
    }

    #[test]
    fn additions_break_nothing() {
        let added = broken_by(|file| {
            file.message_type.push(DescriptorProto { name: Some("N".into()), ..Default::default() });
            let mut field = file.message_type[0].field[0].clone();
            field.number = Some(3);
            file.message_type[0].field.push(field);
        });
        assert_eq!(added, Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_removal_or_change_is_named() {
        let cases: [(&str, Vec<String>); 8] = [
            ("field 2 of p.M is gone", broken_by(|file| drop(file.message_type[0].field.pop()))),
            ("field 2 of p.M was b", broken_by(|file| file.message_type[0].field[1].name = Some("c".into()))),
            ("field 2 of p.M was b", broken_by(|file| file.message_type[0].field[1].set_type(Type::Bytes))),
            ("field 2 of p.M was b", broken_by(|file| file.message_type[0].field[1].oneof_index = Some(0))),
            ("message p.M is gone", broken_by(|file| file.message_type[0].name = Some("N".into()))),
            ("ONE of enum p.E was 1", broken_by(|file| file.enum_type[0].value[0].number = Some(2))),
            ("rpc p.S/Get is gone", broken_by(|file| file.service.clear())),
            ("rpc p.S/Get was", broken_by(|file| file.service[0].method[0].server_streaming = Some(true))),
        ];
        for (expected, broken) in cases {
            assert!(broken.iter().any(|said| said.contains(expected)), "{expected}: {broken:?}");
        }
    }
}
