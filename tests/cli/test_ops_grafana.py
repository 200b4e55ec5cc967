"""scripts/ops/grafana: Grafana's own types accept the dashboards, and they name only what the commands
write. test_ops_metrics.py runs their queries."""

import copy
import json
import re
import subprocess

from conftest import ROOT
from node_servers import JS, install
from ops_metrics import ADDED, METRICS, unknown_words, words_of
from waiting import PATIENCE

FOLDER = ROOT / "scripts" / "ops" / "grafana"
NAMES = ("downloads", "edge", "mirrors", "publishing")
BOARDS = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in NAMES}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]
          if panel["type"] != "row"]


def queries():
    return [(f"{name}: {panel['title']}", target["expr"]) for name, panel in PANELS
            for target in panel["targets"]]


# -- Grafana's types -------------------------------------------------------------------------------


def compile_all(folder, boards):
    """The errors that TypeScript finds when each is assigned to Grafana's type."""
    npm = install() / "node_modules"
    (folder / "node_modules").symlink_to(npm)
    (folder / "dashboard.ts").write_text((JS / "dashboard.ts").read_text())
    for name, board in boards.items():
        (folder / f"{name}.ts").write_text(
            'import type { FerryDashboard } from "./dashboard";\n'
            f"export const board: FerryDashboard = {json.dumps(board, indent=1)};\n")
    done = subprocess.run(
        ["node", npm / "typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
         "--module", "es2022", "--moduleResolution", "bundler", "dashboard.ts",
         *[f"{name}.ts" for name in boards]],
        cwd=folder, text=True, capture_output=True, timeout=PATIENCE)
    return done.stdout + done.stderr


def first(board, kind):
    return next(p for p in board["panels"] if p["type"] == kind)


DAMAGE = {
    "kind": lambda b: first(b, "geomap").update(type="worldmap"),
    "option": lambda b: first(b, "stat")["options"].update(graphMode="curve"),
    "misspelt": lambda b: first(b, "timeseries")["fieldConfig"]["defaults"]["custom"].update(fillOpacty=1),
    "source": lambda b: first(b, "stat").update(datasource={"type": "prometheus", "uid": "P1809F7CD0C75ACF3"}),
    "unit": lambda b: first(b, "bargauge")["fieldConfig"]["defaults"].pop("unit"),
    "untold": lambda b: first(b, "table").pop("description"),
    "uid": lambda b: b.update(uid="abc"),
    "empty": lambda b: first(b, "stat").update(targets=[]),
    "version": lambda b: b.update(schemaVersion="41"),
}


def test_the_types_of_grafana_accept_the_dashboards_and_reject_damaged_ones(work):
    boards = dict(BOARDS)
    for name, damage in DAMAGE.items():
        boards[f"bad-{name}"] = copy.deepcopy(BOARDS["downloads"])
        damage(boards[f"bad-{name}"])
    errors = compile_all(work, boards)
    assert set(re.findall(r"^([\w-]+)\.ts\(", errors, re.M)) == {f"bad-{n}" for n in DAMAGE}, errors[:3000]


# -- what stands in them ---------------------------------------------------------------------------


def test_they_are_four_with_a_variable_for_the_data_source():
    assert sorted(p.stem for p in FOLDER.glob("*.json")) == sorted(NAMES)
    for board in BOARDS.values():
        assert board["templating"]["list"][0]["type"] == "datasource"
        assert board["title"].startswith("Model Ferry: ")


def test_panels_are_numbered_and_do_not_overlap():
    for name, board in BOARDS.items():
        ids = [p["id"] for p in board["panels"]]
        assert ids == sorted(set(ids)), name
        taken = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken and at["x"] + at["w"] <= 24, f"{name}: {panel['title']}"
            taken |= cells


def test_they_name_only_metrics_and_labels_that_the_commands_write():
    for title, query in queries():
        assert unknown_words(query) == [], title
    for board in BOARDS.values():
        for variable in board["templating"]["list"][1:]:
            values = variable["query"]["query"]
            metric, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", values).groups()
            assert label in (*METRICS[metric], *ADDED)


def test_variables_in_queries_exist():
    for name, board in BOARDS.items():
        own = {v["name"] for v in board["templating"]["list"]}
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__range", "__rate_interval"}
                assert used <= own, panel["title"]


def test_what_a_panel_renames_or_places_is_in_its_result():
    for name, panel in PANELS:
        labels = set()
        for target in panel["targets"]:
            labels |= {f"Value #{target['refId']}", "Value"} | words_of(target["expr"])[1]
            legend = re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
            assert set(legend) <= words_of(target["expr"])[1], panel["title"]
        renamed = set()
        for step in panel.get("transformations", ()):
            options = step["options"]
            renamed |= set(options.get("renameByName", {}).values())
            named = set(options.get("renameByName", {})) | set(options.get("indexByName", {}))
            named |= {options[k] for k in ("columnField", "rowField", "valueField") if k in options}
            assert named <= labels, panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byName":
                assert override["matcher"]["options"] in renamed, panel["title"]
