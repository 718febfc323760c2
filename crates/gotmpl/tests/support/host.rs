//! The host objects and functions of `conformance/gotemplate/values.go`, again in Rust.

#![expect(clippy::unnecessary_wraps, reason = "functions of templates have one signature")]

use std::borrow::Cow;
use std::rc::Rc;

use bowline_gotmpl::{
    Context, Field, Func, FuncBody, FuncError, Function, List, Map, Object, Shape, Signature, Str, Type, UintKind,
    Value, sprint,
};

pub(crate) static STRINGS: Type = Type::STRINGS;
pub(crate) static VALUES: bowline_gotmpl::Named = bowline_gotmpl::Named { name: "main.Values", underlying: Type::MAP };
pub(crate) static VALUES_TYPE: Type = Type::Named(&VALUES);

type Given<'a> = &'a mut [Value];
type Gives = Result<Value, FuncError>;

fn int(value: &Value) -> i64 {
    value.as_int().expect("an integer by its signature")
}

fn text(value: &Value) -> Str {
    value.as_str().cloned().expect("a string by its signature")
}

fn joined(parts: &[&[u8]]) -> Value {
    Value::str(parts.concat())
}

pub(crate) struct Boxed {
    pub fields: Vec<Field>,
    pub pointer: bool,
}

impl Boxed {
    fn field_of(&self, name: &str) -> Value {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.clone()).unwrap_or_default()
    }
}

impl Object for Boxed {
    fn type_name(&self) -> Cow<'_, str> {
        if self.pointer { "*main.Box".into() } else { "main.Box".into() }
    }

    fn shape(&self) -> Shape {
        if self.pointer { Shape::Pointer(self.fields.clone()) } else { Shape::Struct(self.fields.clone()) }
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static GREET: Signature = Signature { params: &[Type::String], variadic: false, result: Type::String };
        static SUM: Signature = Signature { params: &[Type::INT, Type::INT], variadic: true, result: Type::INT };
        static SAME: Signature = Signature { params: &[Type::Any], variadic: false, result: Type::Any };
        static SIZE: Signature = Signature { params: &[], variadic: false, result: Type::INT };
        match name {
            "Greet" | "Fail" => Some(&GREET),
            "Sum" => Some(&SUM),
            "Same" => Some(&SAME),
            "Size" => Some(&SIZE),
            _ => None,
        }
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
        Ok(match name {
            "Greet" => joined(&[&text(&self.field_of("Name")), b" greets ", &text(&args[0])]),
            "Fail" => return Err(text(&args[0]).to_text().into_owned().into()),
            "Sum" => Value::int(args.iter().map(int).sum::<i64>() + int(&self.field_of("Count"))),
            "Same" => std::mem::take(&mut args[0]),
            _ => self.field_of("Count"),
        })
    }
}

pub(crate) struct NilBox;

impl Object for NilBox {
    fn type_name(&self) -> Cow<'_, str> {
        "*main.Box".into()
    }

    fn shape(&self) -> Shape {
        Shape::NilPointer
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        Boxed { fields: Vec::new(), pointer: true }.method(name)
    }

    fn declares_field(&self, name: &str) -> bool {
        ["Name", "Count", "Any", "Map", "List", "Next"].contains(&name)
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, _: Given<'_>) -> Gives {
        Err(format!("value method main.Box.{name} called using nil *Box pointer").into())
    }
}

pub(crate) struct Files(pub Map);

impl Object for Files {
    fn type_name(&self) -> Cow<'_, str> {
        "main.files".into()
    }

    fn shape(&self) -> Shape {
        Shape::Plain(Value::Map(self.0.clone()))
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static GET: Signature = Signature { params: &[Type::String], variadic: false, result: Type::String };
        static RAW: Signature = Signature { params: &[Type::String], variadic: false, result: Type::BYTES };
        match name {
            "Get" => Some(&GET),
            "Raw" => Some(&RAW),
            _ => None,
        }
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
        let found = self.0.get(text(&args[0])).unwrap_or(Value::Bytes(None));
        Ok(match found {
            Value::Bytes(bytes) if name == "Get" => Value::str(&*bytes.unwrap_or_default()),
            other => other,
        })
    }
}

pub(crate) struct Names(pub List);

impl Object for Names {
    fn over(&self, part: Value) -> Value {
        match part {
            Value::List(list) => Value::object(Self(list)),
            other => other,
        }
    }

    fn type_name(&self) -> Cow<'_, str> {
        "main.names".into()
    }

    fn shape(&self) -> Shape {
        Shape::Plain(Value::List(self.0.clone()))
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static HAS: Signature = Signature { params: &[Type::String], variadic: false, result: Type::Bool };
        (name == "Has").then_some(&HAS)
    }

    fn call(&self, _: &str, _: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
        let wanted = text(&args[0]);
        Ok(Value::Bool(self.0.iter().any(|name| name.as_str() == Some(&wanted))))
    }
}

pub(crate) struct Failure(pub Str);

impl Object for Failure {
    fn type_name(&self) -> Cow<'_, str> {
        "*errors.errorString".into()
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(vec![Field { name: "s", ty: Type::String, value: Value::Str(self.0.clone()) }])
    }

    fn field(&self, _: &str) -> Option<(Value, Type)> {
        None
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.clone())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        (name == "Error").then_some(&TEXT)
    }

    fn call(&self, _: &str, _: &mut Context<'_, '_>, _: Given<'_>) -> Gives {
        Ok(Value::Str(self.0.clone()))
    }

    fn is_error(&self) -> bool {
        true
    }
}

static TEXT: Signature = Signature { params: &[], variadic: false, result: Type::String };

pub(crate) struct Stringer(pub Str);

impl Object for Stringer {
    fn type_name(&self) -> Cow<'_, str> {
        "main.stringer".into()
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![Field { name: "Text", ty: Type::String, value: Value::Str(self.0.clone()) }])
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.clone())
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        (name == "String").then_some(&TEXT)
    }

    fn call(&self, _: &str, _: &mut Context<'_, '_>, _: Given<'_>) -> Gives {
        Ok(Value::Str(self.0.clone()))
    }

    fn is_comparable(&self) -> bool {
        true
    }

    fn equals(&self, other: &Rc<dyn Object>) -> bool {
        other.text().as_ref() == Some(&self.0)
    }
}

/// Returns a function value by the name the referee knows it by.
pub(crate) fn function_value(name: &str) -> Value {
    static UPPER: Signature = Signature { params: &[Type::String], variadic: false, result: Type::String };
    static ADD: Signature = Signature { params: &[Type::INT, Type::INT], variadic: true, result: Type::INT };
    static ANY: Signature = Signature { params: &[Type::Any], variadic: false, result: Type::Any };
    static SEQ: Signature = Signature { params: &[Type::INT], variadic: false, result: Type::Any };
    static SEQ2: Signature = Signature { params: &[Type::String, Type::INT], variadic: false, result: Type::Any };
    let func = match name {
        "upper" => Func::new(
            "func(string) string",
            &UPPER,
            FuncBody::Call(Box::new(|_, args| Ok(Value::str(text(&args[0]).to_text().to_uppercase())))),
        ),
        "add" => Func::new(
            "func(int, ...int) (int, error)",
            &ADD,
            FuncBody::Call(Box::new(|_, args| {
                let sum: i64 = args.iter().map(int).sum();
                if sum < 0 { Err("negative".into()) } else { Ok(Value::int(sum)) }
            })),
        ),
        "any" => Func::new(
            "func(interface {}) interface {}",
            &ANY,
            FuncBody::Call(Box::new(|_, args| Ok(std::mem::take(&mut args[0])))),
        ),
        "seq" => Func::new("iter.Seq[int]", &SEQ, FuncBody::Seq(Box::new(|| Box::new((10..13).map(Value::int))))),
        "seq2" => Func::new(
            "iter.Seq2[string,int]",
            &SEQ2,
            FuncBody::Seq2(Box::new(|| {
                Box::new(["a", "b", "c"].into_iter().zip(0..).map(|(name, at)| (name.into(), Value::int(at))))
            })),
        ),
        _ => Func::new("iter.Seq[int]", &SEQ, FuncBody::Seq(Box::new(|| Box::new(std::iter::empty())))),
    };
    Value::Func(Rc::new(func))
}

fn same(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(std::mem::take(&mut args[0]))
}

fn fstr(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(joined(&[&text(&args[0]), b"!"]))
}

fn fint(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(match args[0] {
        Value::Int(kind, number) => Value::Int(kind, number.wrapping_add(1)),
        _ => Value::Nil,
    })
}

fn ffloat(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(match args[0] {
        Value::Float(kind, number) => Value::Float(kind, number / 2.0),
        _ => Value::Nil,
    })
}

fn fbool(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(Value::Bool(!args[0].is_true()))
}

fn fbytes(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(match &args[0] {
        Value::Bytes(bytes) => Value::str(bytes.as_deref().unwrap_or_default()),
        Value::List(list) => {
            let byte = |item: &Value| if let Value::Uint(UintKind::Uint8, byte) = item { *byte as u8 } else { 0 };
            Value::str(list.iter().map(byte).collect::<Vec<u8>>())
        }
        _ => Value::Nil,
    })
}

fn ferror(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(Value::Str(sprint(args)))
}

fn fjoin(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    let separator = text(&args[0]);
    let parts: Vec<Str> = args[1..].iter().map(text).collect();
    Ok(Value::str(parts.join(&*separator)))
}

fn fsum(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(Value::int(args.iter().map(int).fold(0, i64::wrapping_add)))
}

fn fboom(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Err(text(&args[0]).to_text().into_owned().into())
}

fn fnone(_: &mut Context<'_, '_>, _: Given<'_>) -> Gives {
    Ok(Value::Nil)
}

fn fnil(_: &mut Context<'_, '_>, _: Given<'_>) -> Gives {
    Ok(Value::Map(Map::nil(&Type::MAP)))
}

fn flist0(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(Value::List(List::new(args.iter_mut().map(std::mem::take).collect())))
}

fn fdict(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    let map = Map::new();
    for pair in args.chunks_exact(2) {
        map.insert(sprint(&pair[..1]), pair[1].clone());
    }
    Ok(Value::Map(map))
}

fn fset(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    let map = args[0].as_map().expect("a map by its signature").clone();
    if map.is_nil() {
        return Err("assignment to entry in nil map".into());
    }
    map.insert(text(&args[1]), std::mem::take(&mut args[2]));
    Ok(Value::Map(map))
}

fn ftype(_: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(Value::str(args[0].type_name()))
}

fn finclude(context: &mut Context<'_, '_>, args: Given<'_>) -> Gives {
    Ok(Value::str(context.execute(text(&args[0]), &args[1])?))
}

/// The functions of the referee.
pub(crate) static FUNCTIONS: [Function; 25] = [
    Function::new("fany", &[Type::Any], Type::Any, same),
    Function::new("fstr", &[Type::String], Type::String, fstr),
    Function::new("fint", &[Type::INT], Type::INT, fint),
    Function::new("fint64", &[Type::INT64], Type::INT64, fint),
    Function::new("fint8", &[Type::Int(bowline_gotmpl::IntKind::Int8)], Type::Int(bowline_gotmpl::IntKind::Int8), same),
    Function::new("fuint", &[Type::Uint(UintKind::Uint)], Type::Uint(UintKind::Uint), same),
    Function::new("ffloat", &[Type::FLOAT64], Type::FLOAT64, ffloat),
    Function::new("fbool", &[Type::Bool], Type::Bool, fbool),
    Function::new("fmap", &[Type::MAP], Type::MAP, same),
    Function::new("flist", &[Type::LIST], Type::LIST, same),
    Function::new("fstrings", &[Type::STRINGS], Type::STRINGS, same),
    Function::new("fbytes", &[Type::BYTES], Type::String, fbytes),
    Function::new("ferror", &[Type::Error], Type::String, ferror),
    Function::variadic("fjoin", &[Type::String, Type::String], Type::String, fjoin),
    Function::variadic("fsum", &[Type::INT], Type::INT, fsum),
    Function::new("fboom", &[Type::String], Type::String, fboom),
    Function::new("fpanic", &[Type::String], Type::String, fboom),
    Function::new("fnone", &[], Type::Any, fnone),
    Function::new("fnil", &[], Type::MAP, fnil),
    Function::variadic("flist0", &[Type::Any], Type::LIST, flist0),
    Function::variadic("fdict", &[Type::Any], Type::MAP, fdict),
    Function::new("fset", &[Type::MAP, Type::String, Type::Any], Type::MAP, fset),
    Function::new("fvalues", &[Type::Named(&VALUES)], Type::Named(&VALUES), same),
    Function::new("ftype", &[Type::Any], Type::String, ftype),
    Function::new("finclude", &[Type::String, Type::Any], Type::String, finclude),
];
