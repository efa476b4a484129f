//! Output variables that cannot be.

use super::{check, project, run};

#[test]
fn output_variables_that_cannot_be_told_apart_or_set_are_errors() {
    check(
        "one name twice",
        &[(
            "actions/x.yaml",
            "description: d\nconnection: api\npath: /x\noutput_variables: [{name: c, path: $.id}, {name: c, path: $.name}]\n",
        )],
        &[
            "actions/x.yaml:4:50: error[variable_conflict]: the variable `c` is given twice",
            "    hint: call it otherwise",
        ],
    );
    for name in ["conversation", "conversation.id", "conversation.id.x", "conversation.started_at"] {
        let action = format!(
            "description: d\nconnection: api\npath: /x\noutput_variables: [{{name: {name}, path: $.id}}]\n"
        );
        let line = format!(
            "actions/x.yaml:4:27: error[reserved_variable]: the variable `{name}` is always there and cannot be set"
        );
        check(name, &[("actions/x.yaml", &action)], &[&line, "    hint: call it otherwise"]);
    }
    let language = "description: d\nconnection: api\npath: /x\noutput_variables: [{name: conversation.language, path: $.l}]\n";
    assert_eq!(run(project(&[("actions/x.yaml", language)]).path(), &["--json"]).stdout, b"[]\n");
}
