//! Names, tags and digests of images.

use regex::Regex;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::kustomization::Image;
use crate::node::{Kind, Node, NodeId, Store};

/// Changes an image wherever objects name it.
pub(crate) fn set_image(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    image: &Image,
    fields: &[FieldSpec],
) -> Result<(), BuildError> {
    let setter = Setter { image, pattern: pattern(&image.name) };
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
    /// What names the image; nothing does where the name is no pattern.
    pattern: Option<Regex>,
}

impl Setter<'_> {
    fn walk(&self, store: &mut Store, at: NodeId) -> Result<(), BuildError> {
        match store[at].kind {
            Kind::List => store[at].content.clone().into_iter().try_for_each(|item| self.walk(store, item)),
            Kind::Map => {
                for pair in store[at].content.clone().chunks_exact(2) {
                    self.walk(store, pair[1])?;
                    let is_list = matches!(&*store[pair[0]].text, "containers" | "initContainers");
                    if is_list && store[pair[1]].kind == Kind::List {
                        for item in store[pair[1]].content.clone() {
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
        if !self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
            return Ok(());
        }
        let name = changed(text, self.image);
        let value = store.add(Node::scalar(&name));
        store.set_scalar(at, value)
    }
}

/// The name is a pattern, as it always was.
fn pattern(name: &str) -> Option<Regex> {
    const TAG: &str = "(:[a-zA-Z0-9_.{}-]*)?";
    const DIGEST: &str = "(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?";
    Regex::new(&format!("^{name}{TAG}{DIGEST}$")).ok()
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
        let pattern = pattern("a.c").expect("is a pattern");
        assert!(pattern.is_match("abc:1"));
        assert!(!pattern.is_match("abcd"));
        assert!(super::pattern("[").is_none());
    }
}
