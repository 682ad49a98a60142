//! `tidegate test`.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tidegate_tests::cases::built;

use super::{Ended, tidegate};

const MET: &str = "dropped = 1\n[[records]]\nvalue = \"ok 1\"\n[[records]]\noffset = 7\nvalue = \"drop\"\n\
    [[records]]\noffset = 8\nvalue = \"reject no\"\n[[rows]]\nroute = \"line\"\nrecord = 0\n[rows.columns]\ntext = \"ok\"\n\
    _offset = 0\n_ordinal = 0\n[[rejects]]\nrecord = 2\nreason = \"no\"\n";

/// A folder of cases with these names and texts.
fn cases(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// `tidegate test` on the plugin `unruly` and this folder, with more arguments.
fn test(folder: &Path, more: &[&str]) -> Ended {
    let plugin = built("unruly").unwrap().canonicalize().unwrap();
    let arguments = [&["test", plugin.to_str().unwrap(), folder.to_str().unwrap()], more].concat();
    tidegate(folder, &arguments)
}

#[test]
fn cases_that_are_met_are_told_with_their_counts_and_end_with_0() {
    let folder = cases(&[("a.toml", MET), ("no-case.txt", "")]);
    let ended = test(folder.path(), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<_> = ended.out.lines().collect();
    assert!(lines[0].starts_with("ok      a  3 records: 1 row, 1 rejected, 1 dropped; "), "{ended:?}");
    assert!(lines[0].ends_with(" us a record"), "{ended:?}");
    assert_eq!(lines[1..4], ["", "1 case: 1 ok, 0 failed", ""]);
    let limits: Vec<_> = lines[5..].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    let all = ["memory", "cpu", "output", "rows_per_record", "lookups_per_record", "log_lines", "module_size"];
    assert_eq!(limits, all);
    let of = |limit: &str| lines.iter().find(|line| line.trim_start().starts_with(limit)).unwrap();
    assert!(of("memory").ends_with(" of 256 MiB an instance"), "{}", of("memory"));
    assert!(of("cpu").ends_with(" us  of 1 s a call"), "{}", of("cpu"));
    assert_eq!(of("log_lines").split_whitespace().collect::<Vec<_>>(), ["log_lines", "0", "of", "100", "a", "second"]);
}

#[test]
fn a_case_that_is_not_met_and_one_that_traps_fail_without_ending_the_others() {
    let differs = MET.replace("text = \"ok\"", "text = \"no\"").replace("dropped = 1", "dropped = 0");
    let traps = "[[records]]\nvalue = \"panic out of tea\"\n";
    let refused = format!("[settings]\nrefuse = \"not today\"\n{traps}");
    let folder = cases(&[("a.toml", &differs), ("b.toml", traps), ("c.toml", &refused), ("d.toml", MET)]);
    let ended = test(folder.path(), &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in [
        "failed  a  3 records: 1 row, 1 rejected, 1 dropped; ",
        "\n    line row 0000, text:\n        expected no\n        found    ok\n    dropped records:\n        expected 0\n",
        "\nfailed  b\n    transform records 0 to 0: the plugin trapped: panicked at ",
        "out of tea",
        "\nfailed  c\n    the plugin refuses its settings: not today\n",
        "\nok      d  3 records",
        "\n\n4 cases: 1 ok, 3 failed\n\nthe most that it took",
    ] {
        assert!(ended.out.contains(part), "{part} is not in:\n{}", ended.out);
    }
}

#[test]
fn json_says_the_same_for_machines() {
    let folder = cases(&[("a.toml", MET), ("b.toml", "[[records]]\nvalue = \"ok 2\"\n")]);
    let ended = test(folder.path(), &["--format", "json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let summary: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&summary["ok"], &summary["failed"]), (&1.into(), &1.into()));
    let limits = summary["limits"].as_object().unwrap();
    assert_eq!(limits.len(), 7);
    assert_eq!(limits["memory"]["limit"], 256 << 20);
    assert!(limits["memory"]["used"].as_u64().unwrap() >= 64 << 10, "{limits:?}");
    assert!(limits["output"]["used"].as_u64().unwrap() > 0, "{limits:?}");
    let [met, failed] = summary["cases"].as_array().unwrap().as_slice() else { panic!("{summary}") };
    assert_eq!((&met["name"], &met["ok"], &met["problems"]), (&"a".into(), &true.into(), &Value::Array(vec![])));
    let counts = ["records", "rows", "rejects", "dropped"].map(|count| met[count].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 1]);
    assert!(met["microseconds_a_record"].as_f64().unwrap() > 0.0);
    assert_eq!(failed["ok"], false);
    assert_eq!(failed["problems"][0], "line row 0000: not expected, found of record 0");
}

#[test]
fn what_is_printed_makes_the_case_that_is_met() {
    let records = "[[records]]\nvalue = \"ok 2\"\n[[records]]\nvalue = \"reject it's \\\"so\\\"\"\n[[records]]\nvalue = \"drop\"\n";
    let folder = cases(&[("a.toml", records)]);
    let printed = test(folder.path(), &["--print"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(test(folder.path(), &[]).code, Some(1));
    std::fs::write(folder.path().join("a.toml"), printed.out + records).unwrap();
    let ended = test(folder.path(), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn what_cannot_be_read_ends_with_64_and_is_named() {
    let folder = cases(&[("a.toml", "[[records]]\nvlaue = \"x\"\n"), ("b.toml", "[[records]]\noffset = -1\n")]);
    let ended = test(folder.path(), &[]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""), "{ended:?}");
    assert!(ended.err.contains("a.toml:2: `records[0].vlaue`: is not a known key; the nearest known one is `value`"));
    assert!(ended.err.contains("b.toml:2: `records[0].offset`: is -1; expected a whole number"), "{ended:?}");

    let good = cases(&[("a.toml", MET), ("nothing.wasm", "text")]);
    let unreadable = |plugin: &str, cases: &str| {
        let ended = tidegate(good.path(), &["test", plugin, cases]);
        assert_eq!(ended.code, Some(64), "{ended:?}");
        ended.err
    };
    assert!(unreadable("nothing.wasm", "a.toml").contains("plugin `nothing.wasm` is not WebAssembly"));
    assert!(unreadable("nowhere.wasm", ".").contains("read plugin `nowhere.wasm`"));
    assert!(unreadable("nothing.wasm", "nowhere").contains("there is no `nowhere`; expected a case file or a folder"));
    std::fs::create_dir(good.path().join("empty")).unwrap();
    assert!(unreadable("nothing.wasm", "empty").contains("expected files empty/*.toml"));
    let ended = tidegate(good.path(), &["test", "nothing.wasm"]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.err.contains("neither a folder `nothing.cases` nor a folder `cases`"), "{ended:?}");
}

#[test]
fn without_a_folder_named_the_cases_beside_the_plugin_are_taken_before_those_here() {
    let folder = cases(&[]);
    std::fs::copy(built("unruly").unwrap(), folder.path().join("u.wasm")).unwrap();
    let put = |name: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join(format!("in-{name}.toml")), MET).unwrap();
    };
    put("cases");
    assert!(tidegate(folder.path(), &["test", "u.wasm"]).out.contains("in-cases"));
    put("u.cases");
    assert!(tidegate(folder.path(), &["test", "u.wasm"]).out.contains("in-u.cases"));
}

#[test]
fn the_example_plugins_meet_their_cases() {
    for (plugin, cases) in [("sales", "../plugins/sales/cases"), ("warehouse", "../plugins/warehouse/cases")] {
        let plugin = built(plugin).unwrap();
        let ended = tidegate(Path::new(env!("CARGO_MANIFEST_DIR")), &["test", plugin.to_str().unwrap(), cases]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}
