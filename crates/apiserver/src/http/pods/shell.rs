//! A tiny canned shell: enough for `exec POD -- sh -c '…'` in a demo and for scripts that ask a pod who it is.
//!
//! It knows `echo`, `printf`, `cat`, `env`, `hostname`, `id`, `ls`, `pwd`, `whoami`, `date`, `sleep`, `true`, `false`,
//! `exit`, `cd`, `export` and `sh -c`; words in quotes, `$NAME`, `$?`, `;`, `&&`, `||` and `>&2`. A command gives a list
//! of [`Effect`]s, which somebody else carries out: nothing here waits or writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::text;

/// What a command does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Out(String),
    Err(String),
    /// Copies the input to the output until the input ends.
    Copy,
    /// Waits for this many milliseconds.
    Sleep(u64),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// With this exit code.
    Code(i32),
    /// There is no such program, and so nothing was run.
    NoProgram(String),
}

/// One session: what `cd`, `export` and the last command left.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    env: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    directory: String,
    last: i32,
    now: Timestamp,
}

const PROGRAMS: [&str; 16] = [
    "bash", "cat", "date", "echo", "env", "false", "hostname", "id", "ls", "printenv", "printf", "pwd", "sh", "sleep",
    "true", "whoami",
];

impl Shell {
    /// Opens a session in a container of a pod.
    pub(super) fn new(pod: &Value, container: &str, now: Timestamp) -> Self {
        let name = text(pod, "/metadata/name").to_owned();
        let host = match text(pod, "/spec/hostname") {
            "" => name.clone(),
            hostname => hostname.to_owned(),
        };
        let mut env = BTreeMap::from([
            ("HOME".to_owned(), "/root".to_owned()),
            ("HOSTNAME".to_owned(), host.clone()),
            ("KUBERNETES_SERVICE_HOST".to_owned(), "10.96.0.1".to_owned()),
            ("KUBERNETES_SERVICE_PORT".to_owned(), "443".to_owned()),
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ]);
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let spec = containers.into_iter().find(|spec| spec["name"] == container).unwrap_or(&Value::Null);
        for variable in spec["env"].as_array().into_iter().flatten() {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some(path) => field(pod, path),
                None => text(variable, "/value").to_owned(),
            };
            env.insert(text(variable, "/name").to_owned(), value);
        }
        let ip = text(pod, "/status/podIP");
        let files = BTreeMap::from([
            ("/etc/hostname".to_owned(), format!("{host}\n")),
            ("/etc/hosts".to_owned(), format!("127.0.0.1\tlocalhost\n{ip}\t{host}\n")),
            ("/etc/os-release".to_owned(), "NAME=\"simulated\"\nID=simulated\n".to_owned()),
            (
                "/var/run/secrets/kubernetes.io/serviceaccount/namespace".to_owned(),
                text(pod, "/metadata/namespace").to_owned(),
            ),
        ]);
        let directory = match text(spec, "/workingDir") {
            "" => "/".to_owned(),
            given => given.to_owned(),
        };
        Self { env, files, directory, last: 0, now }
    }

    /// Runs a program as `exec` does, without a shell in between.
    pub(super) fn run(&mut self, words: &[String]) -> (Vec<Effect>, End) {
        let Some(program) = words.first() else { return (Vec::new(), End::Code(0)) };
        let bare = program.rsplit('/').next().unwrap_or(program);
        if !PROGRAMS.contains(&bare) {
            return (Vec::new(), End::NoProgram(program.clone()));
        }
        let mut effects = Vec::new();
        let code = self.command(words, &mut effects).unwrap_or_else(|code| code);
        (effects, End::Code(code))
    }

    /// Runs one line; the second part is the exit code when the line ends the session.
    pub(super) fn line(&mut self, line: &str) -> (Vec<Effect>, Option<i32>) {
        let mut effects = Vec::new();
        let ended = self.script(line, &mut effects).err();
        (effects, ended)
    }

    pub(super) fn last(&self) -> i32 {
        self.last
    }

    /// Runs a script; an error is the code it exited with.
    fn script(&mut self, script: &str, effects: &mut Vec<Effect>) -> Result<i32, i32> {
        let mut joint = ";".to_owned();
        for (words, next) in Self::parse(script) {
            let runs = match joint.as_str() {
                "&&" => self.last == 0,
                "||" => self.last != 0,
                _ => true,
            };
            joint = next;
            if runs && !words.is_empty() {
                let words: Vec<String> = words.iter().map(|word| self.expand(word)).collect();
                self.last = self.redirected(words, effects)?;
            }
        }
        Ok(self.last)
    }

    fn redirected(&mut self, mut words: Vec<String>, effects: &mut Vec<Effect>) -> Result<i32, i32> {
        let to_error = words.iter().any(|word| matches!(word.as_str(), ">&2" | "1>&2"));
        words.retain(|word| !matches!(word.as_str(), ">&2" | "1>&2" | "2>&1"));
        let from = effects.len();
        let code = self.command(&words, effects)?;
        for effect in effects.iter_mut().skip(from).filter(|_| to_error) {
            if let Effect::Out(text) = effect {
                *effect = Effect::Err(std::mem::take(text));
            }
        }
        Ok(code)
    }

    /// Splits a script into commands, each with what joins the next one to it. Quotes stay until words are expanded.
    fn parse(script: &str) -> Vec<(Vec<String>, String)> {
        let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
        let mut quote = None;
        let mut letters = script.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('\\', None | Some('"')) => {
                    word.push(letter);
                    word.extend(letters.next());
                }
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.push(letter);
                }
                (letter, Some(open)) => {
                    if letter == open {
                        quote = None;
                    }
                    word.push(letter);
                }
                (' ' | '\t', None) => push(&mut words, &mut word),
                ('&', None) if word.ends_with('>') => word.push('&'),
                (';' | '\n' | '&' | '|', None) => {
                    push(&mut words, &mut word);
                    let mut joint = letter.to_string();
                    if letters.peek() == Some(&letter) && letter != ';' {
                        joint.extend(letters.next());
                    }
                    commands.push((std::mem::take(&mut words), joint));
                }
                (letter, None) => word.push(letter),
            }
        }
        push(&mut words, &mut word);
        commands.push((words, ";".to_owned()));
        commands
    }

    /// Takes quotes away and puts variables in.
    fn expand(&self, word: &str) -> String {
        let mut out = String::new();
        let mut quote = None;
        let mut letters = word.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('\\', None | Some('"')) => out.extend(letters.next()),
                ('\'' | '"', None) => quote = Some(letter),
                ('$', None | Some('"')) => {
                    let braced = letters.next_if_eq(&'{').is_some();
                    let mut name = String::new();
                    if letters.next_if_eq(&'?').is_some() {
                        out.push_str(&self.last.to_string());
                    } else {
                        while let Some(letter) = letters.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
                            name.push(letter);
                        }
                        match (name.as_str(), self.env.get(&name)) {
                            ("", _) => out.push('$'),
                            (_, value) => out.push_str(value.map_or("", String::as_str)),
                        }
                    }
                    if braced {
                        letters.next_if_eq(&'}');
                    }
                }
                (letter, Some(open)) if letter == open => quote = None,
                (letter, _) => out.push(letter),
            }
        }
        out
    }

    fn command(&mut self, words: &[String], effects: &mut Vec<Effect>) -> Result<i32, i32> {
        let program = words.first().map_or("", String::as_str);
        let arguments = words.get(1..).unwrap_or_default();
        let mut say = |text: String| effects.push(Effect::Out(text));
        match program.rsplit('/').next().unwrap_or_default() {
            "echo" => {
                let (bare, rest) = match arguments.split_first() {
                    Some((first, rest)) if first == "-n" => (true, rest),
                    _ => (false, arguments),
                };
                say(rest.join(" ") + if bare { "" } else { "\n" });
            }
            "printf" => say(printf(arguments)),
            "cat" if arguments.is_empty() || arguments == ["-"] => effects.push(Effect::Copy),
            "cat" => {
                let mut code = 0;
                for path in arguments {
                    match self.files.get(&self.absolute(path)) {
                        Some(content) => effects.push(Effect::Out(content.clone())),
                        None => {
                            effects.push(Effect::Err(format!("cat: {path}: No such file or directory\n")));
                            code = 1;
                        }
                    }
                }
                return Ok(code);
            }
            "env" | "printenv" => match arguments.first() {
                Some(name) => match self.env.get(name) {
                    Some(value) => say(format!("{value}\n")),
                    None => return Ok(1),
                },
                None => say(lines(self.env.iter().map(|(key, value)| format!("{key}={value}")))),
            },
            "hostname" => say(format!("{}\n", self.env["HOSTNAME"])),
            "pwd" => say(format!("{}\n", self.directory)),
            "whoami" => say("root\n".to_owned()),
            "id" => say("uid=0(root) gid=0(root) groups=0(root)\n".to_owned()),
            "date" => say(format!("{}\n", self.now.strftime("%a %b %e %H:%M:%S UTC %Y"))),
            "ls" => return Ok(self.list(arguments, effects)),
            "cd" => self.directory = self.absolute(arguments.first().map_or("/root", String::as_str)),
            "export" => {
                for (key, value) in arguments.iter().filter_map(|pair| pair.split_once('=')) {
                    self.env.insert(key.to_owned(), value.to_owned());
                }
            }
            "sleep" => {
                let secs: f64 =
                    arguments.first().and_then(|secs| secs.trim_end_matches('s').parse().ok()).unwrap_or(0.0);
                effects.push(Effect::Sleep((secs.clamp(0.0, 86_400.0) * 1000.0) as u64));
            }
            "true" | ":" => {}
            "false" => return Ok(1),
            "exit" => return Err(arguments.first().and_then(|code| code.parse().ok()).unwrap_or(self.last)),
            "sh" | "bash" => match arguments {
                [flag, script, ..] if flag.starts_with('-') && flag.ends_with('c') => {
                    let mut inner = self.clone();
                    return Ok(inner.script(script, effects).unwrap_or_else(|code| code));
                }
                _ => {}
            },
            _ => {
                if let Some((key, value)) = program.split_once('=').filter(|_| arguments.is_empty()) {
                    self.env.insert(key.to_owned(), value.to_owned());
                    return Ok(0);
                }
                effects.push(Effect::Err(format!("sh: {program}: not found\n")));
                return Ok(127);
            }
        }
        Ok(0)
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory.trim_end_matches('/')) }
    }

    fn list(&self, arguments: &[String], effects: &mut Vec<Effect>) -> i32 {
        let path = arguments.iter().find(|word| !word.starts_with('-')).map_or(self.directory.as_str(), String::as_str);
        let path = self.absolute(path);
        if self.files.contains_key(&path) {
            effects.push(Effect::Out(format!("{path}\n")));
            return 0;
        }
        let folder = format!("{}/", path.trim_end_matches('/'));
        let inside = self.files.keys().filter_map(|file| file.strip_prefix(&folder)?.split('/').next());
        let mut names: Vec<&str> = inside.collect();
        if folder == "/" {
            names.extend(["bin", "dev", "home", "proc", "root", "sys", "tmp", "usr"]);
        }
        names.sort_unstable();
        names.dedup();
        if names.is_empty() && !["/tmp", "/root", "/home"].contains(&path.as_str()) {
            effects.push(Effect::Err(format!("ls: {path}: No such file or directory\n")));
            return 1;
        }
        effects.push(Effect::Out(lines(names)));
        0
    }
}

/// Puts each item on a line of its own.
fn lines<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().flat_map(|item| [item.as_ref().to_owned(), "\n".to_owned()]).collect()
}

fn push(words: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

/// Returns a field of the pod that a variable takes its value from.
fn field(pod: &Value, path: &str) -> String {
    text(pod, &format!("/{}", path.replace('.', "/"))).to_owned()
}

fn printf(arguments: &[String]) -> String {
    let Some((format, values)) = arguments.split_first() else { return String::new() };
    let mut values = values.iter();
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            '%' => match letters.next() {
                Some('s' | 'd') => out.push_str(values.next().map_or("", String::as_str)),
                Some(other) => out.push(other),
                None => out.push('%'),
            },
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(script: &str) -> (String, String, i32) {
        let pod = json!({
            "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "containers": [{ "name": "c", "env": [{ "name": "COLOUR", "value": "green" }] }] },
        });
        let mut shell = Shell::new(&pod, "c", Timestamp::UNIX_EPOCH);
        let (effects, end) = shell.run(&["sh".to_owned(), "-c".to_owned(), script.to_owned()]);
        let (mut out, mut err) = (String::new(), String::new());
        for effect in effects {
            match effect {
                Effect::Out(text) => out.push_str(&text),
                Effect::Err(text) => err.push_str(&text),
                Effect::Copy | Effect::Sleep(_) => {}
            }
        }
        let End::Code(code) = end else { panic!("sh is there") };
        (out, err, code)
    }

    #[test]
    fn scripts_do_what_a_shell_does() {
        let table = [
            ("echo hi", "hi\n", "", 0),
            ("echo -n 'a  b' \"$COLOUR\" '$COLOUR'", "a  b green $COLOUR", "", 0),
            ("false && echo no || echo yes; exit 3; echo never", "yes\n", "", 3),
            ("echo oops >&2; echo ${HOSTNAME}x", "webx\n", "oops\n", 0),
            ("nonsense; echo $?", "127\n", "sh: nonsense: not found\n", 0),
            ("cat /var/run/secrets/kubernetes.io/serviceaccount/namespace", "shop", "", 0),
            ("cat /nope", "", "cat: /nope: No such file or directory\n", 1),
            ("cd /etc && ls", "hostname\nhosts\nos-release\n", "", 0),
            ("A=1; export B=2; printf '%s-%s\\n' $A $B", "1-2\n", "", 0),
        ];
        for (script, out, err, code) in table {
            assert_eq!(said(script), (out.to_owned(), err.to_owned(), code), "{script}");
        }
    }

    #[test]
    fn what_is_no_program_is_not_run() {
        let mut shell = Shell::new(&json!({}), "c", Timestamp::UNIX_EPOCH);
        assert_eq!(shell.run(&["vim".to_owned()]).1, End::NoProgram("vim".to_owned()));
    }
}
