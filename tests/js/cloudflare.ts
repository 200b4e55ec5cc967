/* What `ferry mirror config cloudflare` may print, by the types of Cloudflare's own library. Used by
 * tests/cli/test_front_cloudflare_simulated.py. */
import type { JobCreateParams } from "cloudflare/resources/logpush/jobs";
import type { Phase } from "cloudflare/resources/rulesets/rulesets";
import type { RuleCreateParams } from "cloudflare/resources/rulesets/rules";
import type { ScriptUpdateParams } from "cloudflare/resources/workers/scripts/scripts";

type Rule<P, R extends RuleCreateParams> = { phase: P & Phase; rules: Exact<R>[] };
/* Cloudflare's types have no other way to say what is required. */
type Exact<R extends RuleCreateParams> = Omit<R, "zone_id" | "account_id"> &
	Required<Pick<R, "ref" | "action" | "expression" | "description">>;

export type FerryCloudflare = {
	phases: (
		| Rule<"http_ratelimit", RuleCreateParams.BlockRule>
		| Rule<"http_request_cache_settings", RuleCreateParams.SetCacheSettingsRule>
		| Rule<"http_log_custom_fields", RuleCreateParams.LogCustomFieldRule>
	)[];
	logpush?: Omit<JobCreateParams, "destination_conf" | "zone_id">;
	worker?: {
		name: string;
		route: string;
		script: string;
		metadata: ScriptUpdateParams["metadata"];
	};
};
