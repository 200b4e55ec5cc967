/* What a dashboard of scripts/ops/grafana may contain, by Grafana's own types: the kinds of panels
 * are these five and rows, each with the options of its kind. Used by tests/cli/test_ops_grafana.py. */
import type {
	Dashboard, GraphFieldConfig, Panel, RowPanel, TableFieldOptions, VariableModel,
} from "@grafana/schema";
import type { Options as BarGauge } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen.d.ts";
import type { Options as Geomap } from "@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen.d.ts";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type { Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";
import type { Options as TimeSeries } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";

/* JSON has the values of enumerations, not their members. */
type Json<T> = unknown extends T ? T
	: T extends string ? `${T}`
	: T extends number | boolean | null | undefined ? T
	: T extends (infer U)[] ? Json<U>[]
	: { [K in keyof T]: Json<T[K]> };

/* The variable, never the uid of somebody's data source. */
type Source = { type: "prometheus"; uid: "${datasource}" };

type Target = {
	refId: string;
	datasource: Source;
	expr: string;
	editorMode: "code";
	legendFormat?: string;
	instant: boolean;
	range: boolean;
	format?: "table";
};

type FieldConfig = NonNullable<Json<Panel>["fieldConfig"]>;

type Of<Kind, Options, Custom> = Pick<Json<Panel>, "gridPos" | "transformations"> & {
	id: number;
	type: Kind;
	title: string;
	description: string;
	datasource: Source;
	targets: [Target, ...Target[]];
	options: Json<Partial<Options>>;
	fieldConfig: {
		defaults: Omit<FieldConfig["defaults"], "custom" | "unit" | "thresholds"> & {
			unit: string;
			thresholds: NonNullable<FieldConfig["defaults"]["thresholds"]>;
			custom?: Json<Partial<Custom>>;
		};
		overrides: FieldConfig["overrides"];
	};
};

type None = Record<string, never>;

export type FerryDashboard = Omit<Json<Dashboard>, "panels" | "uid" | "id" | "templating"> & {
	title: string;
	description: string;
	tags: ["model-ferry"];
	templating: { list: Json<VariableModel>[] };
	panels: (
		| Json<Omit<RowPanel, "panels">> & { panels: [] }
		| Of<"stat", Stat, None>
		| Of<"timeseries", TimeSeries, GraphFieldConfig>
		| Of<"table", Table, TableFieldOptions & { filterable: boolean }>
		| Of<"bargauge", BarGauge, None>
		| Of<"geomap", Geomap, None>
	)[];
};
