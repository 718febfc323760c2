//! Names, tags and digests of images.

use regex::Regex;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::kustomization::Image;
use crate::node::{Kind, Node, NodeId, Store};
use crate::pattern;

/// Changes an image wherever objects name it.
pub(crate) fn set_image(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    image: &Image,
    fields: &[FieldSpec],
) -> Result<(), BuildError> {
    let setter = Setter { image, names: Names::of(&image.name) };
    let nodes: Vec<NodeId> = objects.iter().filter_map(|id| build.node(*id)).collect();
    // Wherever a list of containers is, in whatever kind.
    for node in &nodes {
        if build.store.kind(*node) != "CustomResourceDefinition" {
            setter.walk(&mut build.store, *node)?;
        }
    }
    for node in nodes {
        if build.store.kind(node) == "CustomResourceDefinition" {
            continue;
        }
        for field in fields {
            each_field(&mut build.store, field, node, None, &mut |store, at| setter.set(store, at))?;
        }
    }
    Ok(())
}

struct Setter<'a> {
    image: &'a Image,
    names: Names<'a>,
}

impl Setter<'_> {
    fn walk(&self, store: &mut Store, at: NodeId) -> Result<(), BuildError> {
        match store[at].kind {
            // Texts are changed on the way, and nothing else.
            Kind::List => (0..store[at].content.len()).try_for_each(|place| {
                let item = store[at].content[place];
                self.walk(store, item)
            }),
            Kind::Map => {
                for place in (0..store[at].content.len()).step_by(2) {
                    let (key, value) = (store[at].content[place], store[at].content[place + 1]);
                    self.walk(store, value)?;
                    let is_list = matches!(&*store[key].text, "containers" | "initContainers");
                    if is_list && store[value].kind == Kind::List {
                        for place in 0..store[value].content.len() {
                            let item = store[value].content[place];
                            if let Some(image) = store.get(item, "image")? {
                                self.set(store, image)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn set(&self, store: &mut Store, at: NodeId) -> Result<(), BuildError> {
        store.expect_kind(at, Kind::Scalar)?;
        let text = &store[at].text;
        if !self.names.fit(text) {
            return Ok(());
        }
        let name = changed(text, self.image);
        let value = store.add(Node::scalar(&name));
        store.set_scalar(at, value)
    }
}

/// What names an image. The name is a pattern, as it always was.
enum Names<'a> {
    Plain(&'a str),
    Any(Regex),
    /// What is no pattern names nothing.
    None,
}

impl<'a> Names<'a> {
    fn of(name: &'a str) -> Self {
        const TAG: &str = "(:[a-zA-Z0-9_.{}-]*)?";
        const DIGEST: &str = "(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?";
        if pattern::is_plain(name) {
            return Self::Plain(name);
        }
        Regex::new(&format!("^{name}{TAG}{DIGEST}$")).map_or(Self::None, Self::Any)
    }

    fn fit(&self, text: &str) -> bool {
        match self {
            Self::Plain(name) => pattern::after(name, text).is_some_and(is_tag_and_digest),
            Self::Any(regex) => regex.is_match(text),
            Self::None => false,
        }
    }
}

/// Tells whether a text is a tag and a digest, either of which may be left out.
fn is_tag_and_digest(text: &str) -> bool {
    let without =
        |text: &'_ str| text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_.{}-".contains(c)).len();
    let rest = text.strip_prefix(':').map_or(text, |tag| &tag[tag.len() - without(tag)..]);
    let Some(digest) = rest.strip_prefix('@') else { return rest.is_empty() };
    let Some((algorithm, sum)) = digest.split_once(':') else { return false };
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    algorithm.split(['.', '+', '_', '-']).all(is_part) && without(sum) == 0
}

fn changed(text: &str, image: &Image) -> String {
    let (name, tag, digest) = split(text);
    let name = if image.new_name.is_empty() { name } else { &image.new_name };
    let (tag, digest) = match (image.new_tag.is_empty(), image.digest.is_empty()) {
        (false, false) => (image.new_tag.clone(), image.digest.as_str()),
        (false, true) => (image.new_tag.clone(), ""),
        (true, false) => (String::new(), image.digest.as_str()),
        (true, true) if !image.tag_suffix.is_empty() => (format!("{tag}{}", image.tag_suffix), ""),
        (true, true) => (tag.to_owned(), digest),
    };
    let mut whole = name.to_owned();
    if !tag.is_empty() {
        whole.push(':');
        whole.push_str(&tag);
    }
    if !digest.is_empty() {
        whole.push('@');
        whole.push_str(digest);
    }
    whole
}

/// Takes an image apart into name, tag and digest; a port of a host is no tag.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').filter(|at| *at > 0).unwrap_or_default();
    let find = |c| image[start..].find(c).map(|at| at + start);
    match (find(':'), find('@')) {
        (None, None) => (image, "", ""),
        (Some(tag), Some(digest)) if tag < digest => (&image[..tag], &image[tag + 1..digest], &image[digest + 1..]),
        (_, Some(digest)) => (&image[..digest], "", &image[digest + 1..]),
        (Some(tag), None) => (&image[..tag], &image[tag + 1..], ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_fit_what_their_patterns_fit() {
        for name in ["nginx", "docker.io/library/nginx", "nginx:1", ""] {
            let plain = Names::of(name);
            assert!(matches!(plain, Names::Plain(_)));
            // The same name, as a pattern.
            let Names::Any(regex) = Names::of(&format!("(?:{name})")) else { panic!("is a pattern") };
            for tag in [
                "",
                ":",
                ":1.2",
                ":{{x}}",
                ":a b",
                "-x",
                "@sha256:0a",
                "@sha256",
                "@:",
                "@a.b+c_d-e:f",
                "@a..b:f",
                ":1@sha256:0",
                ":1@",
                "@a:b:c",
            ] {
                for start in [name, "docker-io/library/nginx", "x"] {
                    let text = format!("{start}{tag}");
                    assert_eq!(plain.fit(&text), regex.is_match(&text), "{name} {text}");
                }
            }
        }
    }

    #[test]
    fn images_are_taken_apart() {
        assert_eq!(split("nginx"), ("nginx", "", ""));
        assert_eq!(split("host:5000/nginx:1.2"), ("host:5000/nginx", "1.2", ""));
        assert_eq!(split("host:5000/nginx@sha256:ab"), ("host:5000/nginx", "", "sha256:ab"));
        assert_eq!(split("nginx:1@sha256:ab"), ("nginx", "1", "sha256:ab"));
    }

    #[test]
    fn a_new_tag_takes_the_digest_away() {
        let image = Image { new_tag: "2".to_owned(), ..Image::default() };
        assert_eq!(changed("nginx:1@sha256:ab", &image), "nginx:2");
        let image = Image { tag_suffix: "-x".to_owned(), ..Image::default() };
        assert_eq!(changed("nginx:1@sha256:ab", &image), "nginx:1-x");
        let image = Image { digest: "sha256:cd".to_owned(), new_name: "other".to_owned(), ..Image::default() };
        assert_eq!(changed("nginx:1", &image), "other@sha256:cd");
    }

    #[test]
    fn names_are_patterns() {
        for name in ["a.c", "[a]bc"] {
            assert!(Names::of(name).fit("abc:1"));
            assert!(!Names::of(name).fit("abcd"));
        }
        assert!(!Names::of("[").fit("["));
    }
}
