//! Feeds arbitrary definitions to the compiler of a project: whatever they say, there is a place for every problem.
//!
//! Input: actions/a.yaml, a zero byte, connections/c.yaml, a zero byte, auth/k.yaml, a zero byte, variables.toml, a zero byte,
//! agents/g.yaml.
#![no_main]

use callgate::definition::{Problems, ProjectFiles};
use callgate::project;
use callgate::secrets::Sources;
use callgate::settings::Settings;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 5] =
    ["actions/a.yaml", "connections/c.yaml", "auth/k.yaml", "variables.toml", "agents/g.yaml"];

fuzz_target!(|input: &str| {
    let files: Vec<(&str, &str)> = NAMES.into_iter().zip(input.splitn(NAMES.len(), '\0')).collect();
    let mut problems = Problems::default();
    let project = ProjectFiles::from_texts(files.iter().copied(), &mut problems);
    let mut settings = Settings::default();
    settings.environments = Some(vec!["development".to_owned()]);
    let deployment = project::compile(&project, &settings, &Sources::default(), None, &mut problems);
    for problem in problems.as_slice() {
        assert!(!problem.message.is_empty() && !problem.file.is_empty(), "{problem:?}");
        let Some((_, text)) = files.iter().find(|(name, _)| *name == problem.file) else { continue };
        // A carriage return alone ends a line as well (YAML 1.2.2 section 5.4).
        let lines = text.split(['\n', '\r']).count();
        assert!(problem.line <= lines + 1, "{problem} is beyond the {lines} lines of the file");
    }
    for served in deployment.environments().iter().flat_map(|environment| &environment.actions) {
        assert!(served.action.model_schema().is_object());
    }
    for served in deployment.environments().iter().flat_map(|environment| environment.agents()) {
        assert!(!served.agent.models.is_empty());
    }
});
