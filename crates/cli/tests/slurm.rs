//! Sweeps that go to Slurm, without a Slurm: what is written and submitted, what is refused, what tasks say of themselves, and a
//! sweep that is told that its time is up. `.ci/slurm` does the same with a real one.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use support::{Desk, Outcome, shipped};

/// A folder with an experiment of two runs, and commands of Slurm that a test makes up; no others are on the search path.
struct Cluster {
    desk: Desk,
}

impl Cluster {
    fn new() -> Self {
        let desk = Desk::new();
        fs::copy(shipped("miniature.ron"), desk.path("my.ron")).unwrap();
        fs::create_dir(desk.path("bin")).unwrap();
        Self { desk }
    }

    /// Makes up a command, which keeps a line of its arguments each time.
    fn has(&self, command: &str, body: &str) {
        let said = self.desk.path(command);
        let script = format!("#!/bin/sh\nprintf '%s|' \"$@\" >> '{0}'\necho >> '{0}'\n{body}\n", said.display());
        let path = self.desk.write(&format!("bin/{command}"), script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes up an `sbatch` that takes every job: the first is 12, the next 13 …
    fn takes_jobs(&self) {
        self.desk.write("number", "11");
        let number = self.desk.path("number");
        self.has("sbatch", &format!("read n < '{0}'; n=$((n + 1)); echo $n > '{0}'; echo $n", number.display()));
    }

    /// Returns the arguments of each call of a command.
    fn calls(&self, command: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.desk.path(command)).unwrap_or_default();
        text.lines().map(|line| line.trim_end_matches('|').split('|').map(str::to_owned).collect()).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(arguments);
        command.env("PATH", self.desk.path("bin"));
        for (name, _) in std::env::vars_os() {
            if ["SLURM", "SBATCH", "SQUEUE"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
                command.env_remove(name);
            }
        }
        command
    }

    fn moa(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    /// Writes what a task says of itself, `age` seconds ago.
    fn task(&self, part: u32, of: u32, state: &str, age: u64, more: &Value) {
        let updated = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - age;
        let run = ["aesthetics", "safety"][(part as usize - 1) % 2];
        let mut status = json!({
            "format": 1, "part": part, "of": of, "runs": [run],
            "state": state, "phase": "Training", "epoch": 1, "epochs": 2, "message": null, "node": "node7", "pid": 4711,
            "device": "flex", "job": null, "restarts": 0, "started": updated - 100, "updated": updated,
        });
        for (name, value) in more.as_object().unwrap() {
            status[name] = value.clone();
        }
        self.desk.write(&format!("results/my/tasks/{part}-of-{of}.json"), status.to_string());
    }

    fn record(&self) -> Value {
        serde_json::from_slice(&fs::read(self.desk.path("results/my/slurm/submitted.json")).unwrap()).unwrap()
    }
}

#[track_caller]
fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}

#[test]
fn a_dry_run_prints_scripts_that_a_shell_reads_and_touches_nothing() {
    let cluster = Cluster::new();
    let desk = &cluster.desk;
    let place = "it's über \"100%\"";
    fs::create_dir(desk.path(place)).unwrap();
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap().replacen("(\n", "(\n    name: \"my\",\n", 1);
    desk.write(&format!("{place}/my $x.ron"), text);
    let mut command = cluster.command(&[
        "sweep",
        "my $x.ron",
        "--slurm",
        "--dry-run",
        "--at-once",
        "1",
        "--seed",
        "3",
        "--reward-device",
        "flex",
        "--",
        "--partition=gpu",
        "--comment",
        "two words",
    ]);
    let printed = Outcome::of(command.current_dir(desk.path(place)).output().unwrap()).success();
    let folder = desk.path(place).display().to_string();
    let quoted = folder.replace('\'', r"'\''");
    let percent = quoted.replace('%', "%%");
    holds(
        &printed,
        &[
            &format!("==> {folder}/results/my-seed-3/slurm/sweep.sh <=="),
            "#!/bin/sh\n",
            "trap '' USR1\n",
            &format!("cd -- '{quoted}' || exit\n"),
            &format!(
                "sweep '{quoted}/my $x.ron' --out '{quoted}/results/my-seed-3' --partition \"$SLURM_ARRAY_TASK_ID/2\" --plain"
            ),
            "--plain --seed 3 --reward-device flex\n",
            &format!("gather '{quoted}/results/my-seed-3' --reward-device flex\n"),
            &format!("'--output={percent}/results/my-seed-3/slurm/sweep-%A_%a.log'"),
            "--open-mode=append --requeue --signal=B:USR1@120 --partition=gpu --comment 'two words' --array=1-2%1 '",
            "--dependency=afterany:\"$job\" '",
        ],
    );
    assert!(!desk.path(place).join("results").exists());

    // The scripts are what a shell takes them for: moa's own file is replaced by one that says its arguments.
    let script = printed.split("sweep.sh <==\n").nth(1).unwrap().split("\n\n==>").next().unwrap();
    let words = script.replace(&format!("exec {}", env!("CARGO_BIN_EXE_moa")), "printf '%s|' \"$PWD\"");
    assert_ne!(script, words);
    let output = Command::new("/bin/sh").args(["-c", &words]).env("SLURM_ARRAY_TASK_ID", "2").output().unwrap();
    let said = Outcome::of(output).success();
    let expected = ["sweep", &format!("{folder}/my $x.ron"), "--out", &format!("{folder}/results/my-seed-3")].join("|");
    assert!(said.starts_with(&format!("{folder}|{expected}|--partition|2/2|--plain|--seed|3|")), "{said}");
}

#[test]
fn both_jobs_are_submitted_recorded_and_told() {
    let cluster = Cluster::new();
    cluster.takes_jobs();
    let submit = ["sweep", "my.ron", "--slurm", "--", "--time=1:00:00", "--mem=8G"];
    let said = cluster.moa(&submit).success();
    holds(
        &said,
        &[
            "job 12: 2 tasks, 2 runs",
            "job 13: when all tasks have ended",
            "moa slurm status results/my",
            "moa browse results/my",
            "scancel 12 13",
        ],
    );
    let calls = cluster.calls("sbatch");
    let [array, gather] = &calls[..] else { panic!("{calls:?}") };
    for option in
        ["--parsable", "--array=1-2", "--requeue", "--signal=B:USR1@120", "--open-mode=append", "--time=1:00:00"]
    {
        assert!(array.iter().any(|argument| argument == option), "{option}: {array:?}");
    }
    assert!(gather.iter().any(|argument| argument == "--dependency=afterany:12"), "{gather:?}");
    assert!(gather.iter().any(|argument| argument == "--mem=8G"), "{gather:?}");
    assert!(
        !gather.iter().any(|argument| argument.starts_with("--array") || argument.starts_with("--signal")),
        "{gather:?}"
    );
    for script in [array, gather] {
        let text = fs::read_to_string(script.last().unwrap()).unwrap();
        assert!(Path::new(script.last().unwrap()).is_absolute() && text.starts_with("#!/bin/sh\n"), "{text}");
    }
    let record = cluster.record();
    let submission = &record["submissions"][0];
    assert_eq!((&submission["array"], &submission["gather"]), (&json!("12"), &json!("13")));
    assert_eq!((&submission["of"], &submission["parts"]), (&json!(2), &json!([1, 2])));
    assert_eq!(submission["command"], "moa sweep my.ron --slurm -- --time=1:00:00 --mem=8G");
    // No model was opened, and nothing of the sweep is there.
    assert!(!cluster.desk.path("results/my/experiment.ron").exists());
}

#[test]
fn a_job_that_is_around_the_submission_does_not_leak_into_it() {
    let cluster = Cluster::new();
    let seen = cluster.desk.path("seen");
    let variables = "$SLURM_ARRAY_TASK_ID,$SLURM_RESTART_COUNT,$SBATCH_ARRAY_INX,$SLURM_CONF,$SBATCH_ACCOUNT";
    cluster.has("sbatch", &format!("echo \"{variables}\" >> '{}'; echo 12", seen.display()));
    let mut command = cluster.command(&["sweep", "my.ron", "--slurm"]);
    for (name, value) in [
        ("SLURM_JOB_ID", "7"),
        ("SLURM_ARRAY_TASK_ID", "3"),
        ("SLURM_RESTART_COUNT", "1"),
        ("SBATCH_ARRAY_INX", "1-9"),
        ("SLURM_CONF", "/etc/slurm.conf"),
        ("SBATCH_ACCOUNT", "mine"),
    ] {
        command.env(name, value);
    }
    Outcome::of(command.output().unwrap()).success();
    assert_eq!(fs::read_to_string(seen).unwrap(), ",,,/etc/slurm.conf,mine\n".repeat(2));
}

#[test]
fn what_cannot_be_submitted_is_refused_before_anything_is_written() {
    let cluster = Cluster::new();
    let submit = ["sweep", "my.ron", "--slurm"];
    cluster.moa(&submit).refusal(1, &["no `sbatch`", "hint: run this where jobs are submitted", "--dry-run"]);
    cluster.takes_jobs();
    cluster.desk.write("bad.ron", "(rewards: [(kind: Saftey)])");
    for file in ["one/a.ron", "two/a.ron", "two/b.ron"] {
        cluster.desk.write(file, fs::read(shipped("miniature.ron")).unwrap());
    }
    for (arguments, words) in [
        (&["sweep", "bad.ron", "--slurm"][..], &["Saftey", "did you mean `Safety`?"][..]),
        (&["sweep", "one", "--slurm"], &["--slurm submits one experiment"]),
        (&["sweep", "two", "--slurm"], &["--slurm submits one experiment file", "2 experiments"]),
        (&["sweep", "my.ron", "--slurm", "--tasks", "3"], &["--tasks is 3", "2 runs"]),
        (&["sweep", "my.ron", "--slurm", "--tasks", "0"], &["--tasks", "0"]),
        (&["sweep", "my.ron", "--slurm", "--at-once", "0"], &["--at-once", "0"]),
        (&["sweep", "my.ron", "--slurm", "--tui"], &["--tui"]),
        (&["sweep", "my.ron", "--dry-run"], &["--slurm"]),
        (&["sweep", "my.ron", "--", "--time=1"], &["--slurm"]),
        (&["sweep", "my.ron", "--slurm", "--", "--array=1-9"], &["--array=1-9", "--tasks"]),
        (&["sweep", "my.ron", "--slurm", "--out", "back\\slash"], &["a backslash"]),
    ] {
        cluster.moa(arguments).refusal(2, words);
    }
    #[cfg(not(feature = "libtorch"))]
    cluster.moa(&["sweep", "my.ron", "--slurm", "--device", "libtorch:cuda:0"]).refusal(1, &["--features libtorch"]);
    assert_eq!(cluster.calls("sbatch"), Vec::<Vec<String>>::new());
    assert!(!cluster.desk.path("results").exists());
    cluster.desk.write("taken", "");
    cluster.moa(&["sweep", "my.ron", "--slurm", "--out", "taken/x"]).refusal(1, &["taken"]);
}

#[test]
fn what_sbatch_refuses_is_passed_on() {
    let cluster = Cluster::new();
    let submit = ["sweep", "my.ron", "--slurm", "--", "--partition=nope"];
    cluster.has("sbatch", "echo 'sbatch: error: invalid partition specified: nope' >&2; exit 1");
    cluster.moa(&submit).refusal(1, &["refuses the job array: invalid partition specified: nope", "hint: "]);
    assert!(!cluster.desk.path("results/my/slurm/submitted.json").exists());
    cluster.has("sbatch", "echo oops");
    cluster.moa(&submit).refusal(1, &["it names no job"]);

    // The array is taken, and the job that gathers is not.
    cluster.has(
        "sbatch",
        "case \"$*\" in *--array*) echo '12;north' ;; *) echo 'sbatch: error: too many jobs' >&2; exit 1 ;; esac",
    );
    let words = ["job that gathers: too many jobs", "job 12 trains nevertheless", "scancel --clusters=north 12"];
    cluster.moa(&submit).refusal(1, &words);
    let record = cluster.record();
    assert_eq!((&record["submissions"][0]["array"], &record["submissions"][0]["gather"]), (&json!("12"), &Value::Null));
}

#[test]
fn a_resubmission_has_what_is_missing_alone() {
    let cluster = Cluster::new();
    cluster.takes_jobs();
    cluster.has("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
    let submit = ["sweep", "my.ron", "--slurm"];
    cluster.moa(&submit).success();
    cluster.task(1, 2, "finished", 900, &json!({"job": "12_1", "epoch": 2}));
    // It was killed a moment ago, and Slurm says that its job is over.
    cluster.task(2, 2, "running", 5, &json!({"job": "12_2"}));
    let said = cluster.moa(&submit).success();
    holds(&said, &["job 14: 1 task (parts 2 of 2: the others are finished)", "job 15: when all tasks have ended"]);
    assert_eq!(cluster.calls("squeue")[0], ["--noheader", "--array", "--jobs", "12,13", "--format", "%i %T"]);
    let calls = cluster.calls("sbatch");
    assert!(calls[2].iter().any(|argument| argument == "--array=2"), "{calls:?}");

    // Nothing is missing: what is there is gathered.
    cluster.task(2, 2, "finished", 5, &json!({"job": "14_2"}));
    let said = cluster.moa(&submit).success();
    holds(&said, &["nothing: all 2 parts are finished", "job 16: at once", "scancel 16"]);
    let calls = cluster.calls("sbatch");
    assert!(calls.len() == 5 && calls[4].last().unwrap().ends_with("gather.sh"), "{calls:?}");
    assert!(!calls[4].iter().any(|argument| argument.starts_with("--dependency")), "{calls:?}");
    assert_eq!(cluster.record()["submissions"].as_array().unwrap().len(), 3);

    // Nor over another number of tasks.
    cluster.moa(&["sweep", "my.ron", "--slurm", "--tasks", "1"]).success();
    let calls = cluster.calls("sbatch");
    assert!(calls.len() == 6 && calls[5].last().unwrap().ends_with("gather.sh"), "{calls:?}");
}

#[test]
fn nothing_is_submitted_beside_tasks_that_are_at_work() {
    let cluster = Cluster::new();
    cluster.takes_jobs();
    let submit = ["sweep", "my.ron", "--slurm"];
    cluster.moa(&submit).success();
    // Slurm says so, of tasks that have not begun, and however many tasks there are to be now.
    cluster.has("squeue", "echo '12_1 RUNNING'; echo '12_2 PENDING'; echo '13 PENDING'; echo '99_1 RUNNING'");
    for arguments in [&submit[..], &["sweep", "my.ron", "--slurm", "--tasks", "1"]] {
        let words = [
            "results/my",
            "in 2 parts",
            "12_1 running; 12_2, 13 pending",
            "moa slurm status results/my",
            "scancel 12 13",
        ];
        cluster.moa(arguments).refusal(1, &words);
    }
    // Slurm does not answer: files say so.
    cluster.has("squeue", "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1");
    cluster.task(2, 2, "running", 100, &json!({"job": "12_2"}));
    let refused = cluster.moa(&submit);
    refused.refusal(1, &["part 2 of 2 is running, by job 12_2 on node7", "Unable to contact slurm controller"]);
    cluster.task(2, 2, "requeued", 900, &json!({"job": "12_2"}));
    cluster.moa(&submit).refusal(1, &["part 2 of 2 is requeued"]);
    // Somebody does a part by hand, which Slurm knows nothing of.
    cluster.has("squeue", "exit 0");
    cluster.task(1, 2, "running", 100, &json!({}));
    cluster.moa(&submit).refusal(1, &["part 1 of 2 is running, by process 4711 on node7"]);
    assert_eq!(cluster.calls("sbatch").len(), 2);
    // It fell silent.
    cluster.task(1, 2, "running", 200, &json!({}));
    cluster.moa(&submit).success();
}

#[test]
fn the_status_is_read_from_files_alone() {
    let cluster = Cluster::new();
    let status = ["slurm", "status", "results/my"];
    cluster.moa(&status).refusal(1, &["nothing was submitted", "hint: "]);
    cluster.takes_jobs();
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let rewards = "(kind: Harmony), (kind: Colourfulness), (kind: Alignment), (kind: Safety)";
    let wider = text.replace("(kind: Safety)", rewards);
    assert_ne!(wider, text);
    cluster.desk.write("my.ron", wider);
    cluster.moa(&["sweep", "my.ron", "--slurm"]).success();
    let table = cluster.moa(&status).success();
    assert_eq!(table.matches("waiting  –").count(), 5, "{table}");
    assert!(cluster.calls("squeue").is_empty());

    cluster.task(1, 5, "finished", 4000, &json!({"job": "12_1", "epoch": 2}));
    cluster.task(2, 5, "running", 12, &json!({"job": "12_2", "restarts": 2}));
    cluster.task(3, 5, "running", 600, &json!({"job": "12_3", "runs": ["a", "b", "c", "d"]}));
    cluster.task(4, 5, "failed", 65, &json!({"job": "12_4", "message": "the device has no memory left\nand more"}));
    cluster.task(1, 3, "finished", 9000, &json!({}));
    let table = cluster.moa(&status).success();
    let row = |part: &str| {
        let line = table.lines().find(|line| line.starts_with(part)).unwrap_or_else(|| panic!("no {part} in\n{table}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(row("part"), ["part", "state", "runs", "epoch", "node", "job", "restarts", "last sign", "message"]);
    assert_eq!(row("1/5")[..4], ["1/5", "finished", "aesthetics", "2 of 2"]);
    let running = row("2/5");
    assert_eq!(running[..7], ["2/5", "running", "safety", "1 of 2", "node7", "12_2", "2"]);
    // Reading takes a moment.
    assert!(running[7].ends_with(" s ago") && running[8] == "training", "{running:?}");
    assert_eq!(row("3/5")[..6], ["3/5", "silent", "a, b +2", "1 of 2", "node7", "12_3"]);
    assert_eq!(*row("4/5").last().unwrap(), "the device has no memory left");
    assert_eq!(row("5/5")[..2], ["5/5", "waiting"]);
    holds(
        &table,
        &[
            "silent: part 3",
            "squeue --jobs 12,13",
            "ended too early: part 4; why is in the logs in results/my/slurm",
            "1 at work, 1 waiting",
            "  moa sweep my.ron --slurm",
            "another number of tasks are not shown",
        ],
    );

    let json: Value =
        serde_json::from_str(&cluster.moa(&[&status[..], &["--format", "json"]].concat()).success()).unwrap();
    let tasks = json["tasks"].as_array().unwrap();
    let states: Vec<&str> = tasks.iter().map(|task| task["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["finished", "running", "running", "failed", "waiting"]);
    assert_eq!((&tasks[2]["silent"], &tasks[1]["silent"]), (&json!(true), &json!(false)));
    assert_eq!((&json["submission"]["array"], &tasks[4]["job"]), (&json!("12"), &json!("12_5")));

    // A task that ended before it could say anything has a log.
    cluster.desk.write("results/my/slurm/sweep-12_5.log", "error: no such device\n\n");
    holds(&cluster.moa(&status).success(), &["5/5   starting", "error: no such device"]);

    // What a task said before it was submitted again is past.
    cluster.has("squeue", "exit 0");
    cluster.task(2, 5, "finished", 12, &json!({"job": "12_2"}));
    cluster.moa(&["sweep", "my.ron", "--slurm"]).success();
    let table = cluster.moa(&status).success();
    let again = table.lines().find(|line| line.starts_with("4/5")).unwrap();
    holds(again, &["waiting", "14_4", "before: failed"]);

    for part in 1..=5 {
        cluster.task(part, 5, "finished", 12, &json!({}));
    }
    holds(&cluster.moa(&status).success(), &["all parts are finished; job 15 gathers them", "moa front results/my"]);

    // From elsewhere, the command needs its folder.
    cluster.task(1, 5, "stopped", 12, &json!({}));
    let root = cluster.desk.path("");
    let mut elsewhere = cluster.command(&["slurm", "status"]);
    let output = elsewhere.arg(root.join("results/my")).current_dir("/").output().unwrap();
    holds(&Outcome::of(output).success(), &[&format!("  cd {}", root.display().to_string().trim_end_matches('/'))]);
}

#[test]
fn what_a_newer_moa_wrote_and_what_is_damaged_is_named() {
    let cluster = Cluster::new();
    cluster.takes_jobs();
    cluster.task(1, 2, "running", 1, &json!({"format": 2}));
    for arguments in [&["slurm", "status", "results/my"][..], &["sweep", "my.ron", "--slurm"]] {
        cluster.moa(arguments).refusal(1, &["1-of-2.json", "format 2", "use a newer moa"]);
    }
    cluster.desk.write("results/my/tasks/1-of-2.json", "{\"format\": 1, \"pa");
    cluster.moa(&["slurm", "status", "results/my"]).refusal(1, &["1-of-2.json", "not a status of a task"]);
    fs::remove_file(cluster.desk.path("results/my/tasks/1-of-2.json")).unwrap();
    cluster.desk.write("results/my/slurm/submitted.json", "{\"format\": 3}");
    cluster.moa(&["slurm", "status", "results/my"]).refusal(1, &["submitted.json", "format 3"]);
    assert!(cluster.calls("sbatch").is_empty());
}

/// Starts a sweep that takes long, gives it notice twice after its second epoch, and returns how it ended, with its messages.
fn noticed(cluster: &Cluster, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    cluster.desk.write("my.ron", text.replace("epochs: 2", "epochs: 400"));
    let mut command = cluster.command(&["sweep", "my.ron", "--plain"]);
    command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("epoch 2 saved") {
        assert!(stderr.read_line(&mut text).unwrap() > 0, "it ended early:\n{text}");
    }
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap().success());
    }
    stderr.read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

#[test]
fn a_task_whose_time_is_up_saves_and_requeues_itself_alone() {
    let cluster = Cluster::new();
    cluster.has("scontrol", "");
    let task = [
        ("SLURM_JOB_ID", "7"),
        ("SLURM_ARRAY_JOB_ID", "7"),
        ("SLURM_ARRAY_TASK_ID", "4"),
        ("SLURMD_NODENAME", "node7"),
    ];
    let (code, text) = noticed(&cluster, &task);
    assert_eq!(code, Some(130), "{text}");
    assert_eq!(text.matches("SIGUSR1: stopping after this epoch").count(), 1, "{text}");
    holds(&text, &["job 7_4 goes back to the queue from node7", "epochs saved in results/my"]);
    assert_eq!(cluster.calls("scontrol"), [["requeue", "7_4"]]);
}

#[test]
fn a_job_that_inherited_the_name_of_a_task_requeues_itself_and_not_the_task() {
    let cluster = Cluster::new();
    cluster.has("scontrol", "");
    cluster.has("squeue", "echo 9");
    noticed(&cluster, &[("SLURM_JOB_ID", "20"), ("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "4")]);
    assert_eq!(cluster.calls("squeue")[0][1..], ["--jobs", "7_4", "--format", "%A"]);
    assert_eq!(cluster.calls("scontrol"), [["requeue", "20"]]);
}

#[test]
fn a_task_that_slurm_does_not_requeue_says_so() {
    let cluster = Cluster::new();
    cluster.has("scontrol", "echo 'Requested operation is presently disabled' >&2; exit 1");
    let (code, text) = noticed(&cluster, &[("SLURM_JOB_ID", "20")]);
    assert_eq!(code, Some(1), "{text}");
    holds(
        &text,
        &["error: failed to requeue job 20: Requested operation is presently disabled", "saved in results/my"],
    );
}

#[test]
fn outside_of_slurm_the_signal_is_as_good_as_ctrl_c() {
    let cluster = Cluster::new();
    cluster.has("scontrol", "");
    let (code, text) = noticed(&cluster, &[]);
    assert_eq!(code, Some(130), "{text}");
    holds(&text, &["epochs saved in results/my", "moa sweep my.ron --plain"]);
    assert!(cluster.calls("scontrol").is_empty());
}
