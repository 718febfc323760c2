//! Generators: what they make, taken in among the objects.

use super::{Gathered, Memory, Target, plugin_origin};
use crate::build::{Build, Objects};
use crate::error::BuildError;
use crate::generate::{Generated, generate};
use crate::kustomization::{GeneratorArgs, GeneratorOptions};
use crate::origin::{Origin, set_origins};
use crate::plugins::{self, Generator};
use crate::read::read_objects;

impl Target<'_> {
    pub(super) fn run_generators(
        &self,
        build: &mut Build<'_>,
        memory: &mut Memory,
        all: &mut Gathered,
    ) -> Result<(), BuildError> {
        let spec = self.spec();
        let mut generators: Vec<(Generator, Option<Origin>)> = Vec::new();
        for (what, kind, entries) in [
            (Generated::ConfigMap, "ConfigMapGenerator", &spec.config_map_generator),
            (Generated::Secret, "SecretGenerator", &spec.secret_generator),
        ] {
            for args in entries {
                let options = GeneratorOptions::with_global(args.options.clone(), spec.generator_options.as_ref());
                let args = GeneratorArgs { options, ..args.clone() };
                generators.push((Generator::Pairs(what, Box::new(args)), self.origin_of(kind)));
            }
        }
        for chart in &spec.helm_charts {
            crate::helm::check(build, chart)?;
            generators.push((Generator::Chart(Box::new(chart.clone())), self.origin_of("HelmChartInflationGenerator")));
        }
        let within = |error: BuildError| error.within("loading generator plugins");
        for id in self.plugin_objects(build, memory, &spec.generators).map_err(within)? {
            let load = |error: BuildError| within(error.within("failed to load generator"));
            let generator = plugins::generator(build, id).map_err(load)?;
            let origin = plugin_origin(build, id)?;
            generators.push((generator, origin));
        }
        for (generator, origin) in generators {
            let objects = self.generated(build, &generator)?;
            set_origins(build, &objects, origin.as_ref())?;
            let id = objects.first().map(|id| build.current_id(*id));
            build.absorb_all(&mut all.objects, &objects).map_err(|error| {
                let what = id.map_or_else(String::new, |id| id.to_string());
                error.within(format!("merging from generator {what}"))
            })?;
        }
        Ok(())
    }

    fn generated(&self, build: &mut Build<'_>, generator: &Generator) -> Result<Objects, BuildError> {
        match generator {
            Generator::Pairs(what, args) => {
                let node = generate(&mut build.store, &self.loader, *what, args)?;
                Ok(vec![build.add(node)])
            }
            Generator::IamPolicy(policy) => {
                let nodes = read_objects(&mut build.store, policy.text()?.as_bytes())?;
                Ok(nodes.into_iter().map(|node| build.add(node)).collect())
            }
            Generator::Chart(chart) => crate::helm::render(build, self, chart),
        }
    }
}
