//! What is done to an object that is stored: it is read, replaced, patched, given a status and deleted.

use bowline_apiserver::Cluster;
use serde_json::{Value, json};

use super::generate::Life;
use super::plane::{self, Answer, JSON, MERGE, Plane, Question};

/// The questions that follow a create; each server's PUT is made of what it itself had to show.
struct Story<'a> {
    create: Question,
    life: &'a Life,
    /// Where the object is, and what of the query goes along.
    path: String,
}

impl<'a> Story<'a> {
    fn new(create: &Question, life: &'a Life) -> Self {
        let mut create = create.clone();
        let (path, query) = create.path.split_once('?').unwrap_or((&create.path, ""));
        let name = create.body["metadata"]["name"].as_str().unwrap_or_default();
        let place = format!("{path}/{name}");
        let kept: Vec<&str> = query.split('&').filter(|part| *part != "dryRun=All").collect();
        create.path = format!("{path}?{}", kept.join("&"));
        Self { create, life, path: place }
    }

    fn read(&self) -> Question {
        Question::read(&self.path)
    }

    fn replace(&self, shown: &Value) -> Question {
        let mut body = shown.clone();
        if let Some(body) = body.as_object_mut() {
            body.retain(|key, _| ["apiVersion", "kind", "metadata", "status"].contains(&key.as_str()));
            body.extend(self.life.variant.clone());
        }
        if !body["metadata"]["labels"].is_object() {
            body["metadata"]["labels"] = json!({});
        }
        body["metadata"]["labels"]["changed"] = json!("yes");
        Question::new("PUT", &format!("{}?dryRun=All", self.path), JSON, body)
    }

    fn others(&self) -> Vec<Question> {
        let dry = |path: &str| format!("{path}?dryRun=All");
        let mut questions = vec![Question::new("PATCH", &dry(&self.path), MERGE, self.life.patch.clone())];
        if let Some(status) = &self.life.status {
            let path = dry(&format!("{}/status", self.path));
            questions.push(Question::new("PATCH", &path, MERGE, json!({ "status": status })));
        }
        questions.push(Question::new("DELETE", &dry(&self.path), JSON, Value::Null));
        questions.push(Question::new("DELETE", &format!("{}?gracePeriodSeconds=0", self.path), JSON, Value::Null));
        questions
    }
}

/// Does it to both servers, and tells what they answered.
pub(crate) async fn live(
    plane: &Plane,
    cluster: &Cluster,
    create: &Question,
    life: &Life,
    tell: &mut impl FnMut(&Question, Answer, Answer),
) {
    let story = Story::new(create, life);
    let (want, have) = (plane.ask(&story.create).await, plane::ask_ours(cluster, &story.create).await);
    let both = want.status == 201 && have.status == 201;
    tell(&story.create, want.steady(), have.steady());
    if !both {
        return;
    }
    let mut replaced = None;
    // The real server's own controllers may have written in between.
    for _ in 0..4 {
        let (want, have) = (plane.ask(&story.read()).await, plane::ask_ours(cluster, &story.read()).await);
        let (theirs, own) = (story.replace(&want.body), story.replace(&have.body));
        let answers = (plane.ask(&theirs).await, plane::ask_ours(cluster, &own).await);
        let is_stale = answers.0.status == 409 && answers.1.status != 409;
        replaced = Some((want, have, theirs, answers));
        if !is_stale {
            break;
        }
    }
    if let Some((want, have, question, answers)) = replaced {
        tell(&story.read(), want.steady(), have.steady());
        tell_steady(plane, &question, (answers.0.steady(), answers.1.steady()), tell).await;
    }
    for question in story.others() {
        let (want, have) = (plane.ask(&question).await, plane::ask_ours(cluster, &question).await);
        tell_steady(plane, &question, (want.steady(), have.steady()), tell).await;
    }
}

/// Tells two answers; one that the real server gives differently when it is asked again is told as none.
async fn tell_steady(
    plane: &Plane,
    question: &Question,
    (want, have): (Answer, Answer),
    tell: &mut impl FnMut(&Question, Answer, Answer),
) {
    let want = want.without_owners_of_controllers(&have);
    let can_be_asked_again = question.path.contains("dryRun=All");
    let want = if can_be_asked_again && want != have && is_unsteady(plane, question, &want).await {
        Answer::default()
    } else {
        want
    };
    tell(question, want, have);
}

/// Asks the real server again, and returns whether it answers differently.
pub(crate) async fn is_unsteady(plane: &Plane, question: &Question, first: &Answer) -> bool {
    for _ in 0..8 {
        if plane.ask(question).await.steady() != *first {
            return true;
        }
    }
    false
}

/// Does it to this server alone, as long as there are answers to compare with.
pub(crate) async fn live_again(
    cluster: &Cluster,
    create: &Question,
    life: &Life,
    tell: &mut impl FnMut(&Question, Answer) -> bool,
) {
    let story = Story::new(create, life);
    let have = plane::ask_ours(cluster, &story.create).await;
    if !tell(&story.create, have.steady()) {
        return;
    }
    let have = plane::ask_ours(cluster, &story.read()).await;
    let replace = story.replace(&have.body);
    tell(&story.read(), have.steady());
    let answer = plane::ask_ours(cluster, &replace).await;
    tell(&replace, answer.steady());
    for question in story.others() {
        let answer = plane::ask_ours(cluster, &question).await;
        tell(&question, answer.steady());
    }
}
