"""What somebody who distributes models asks for, line by line, in the order of the work: which command
of ours does it, and which check of brief_checks*.py shows that it did. test_brief.py runs all of it.

A line without a check, a check without a line, and a command that was not run are failures."""

import collections

Line = collections.namedtuple("Line", "text command check")

PIPELINE = "Model processing pipeline"
CDN = "Primary CDN: R2 behind Cloudflare"
S3 = "S3 in two regions"
GITHUB = "GitHub as the fallback"
ENDPOINTS = "Catalog on several endpoints"
UPLOAD = "Automated upload"
OVERVIEW = "What the system consists of"
TRACKING = "Download tracking"
DASHBOARD = "Usage dashboard"
SECURITY = "Security and access control"
BEFORE = "Checklist: before the launch"
LAUNCH = "Checklist: launch"
AFTER = "Checklist: after the launch"
COSTS = "Costs"
WEEKLY = "Each week"
MONTHLY = "Each month"
QUARTERLY = "Each quarter"
UPDATE = "Model update process"
ALERTS = "Alerts"
HEALTH = "Health check of the endpoints"
LIMITS = "Security: rate limits"
LAST = "Checklist: after the launch, at the end of this run"

BRIEF = {
    PIPELINE: [
        Line("download the original", "ferry prepare", "downloads_the_original"),
        Line("convert it to GGUF if it is none", "ferry prepare --outtype", "converts_to_gguf"),
        Line("quantize it to q4_k_m", "ferry prepare --quantize", "quantizes"),
        Line("calculate its SHA-256", "ferry manifest check", "knows_the_digest"),
        Line("generate metadata: name, SHA-256, size, date", "ferry catalog add", "makes_a_card"),
    ],
    CDN: [
        Line("create the bucket", "ferry mirror setup", "makes_the_buckets"),
        Line("allow GET and HEAD from all origins for an hour", "ferry mirror setup", "sets_cors"),
        Line("upload the models with their metadata", "ferry push", "has_the_models_on_r2"),
        Line("upload the catalog", "ferry push", "has_the_catalog_on_r2"),
        Line("serve it through the CDN", "ferry mirror probe", "serves_through_the_cdn"),
    ],
    S3: [
        Line("create the bucket in us-east-1", "ferry mirror setup", "makes_the_buckets"),
        Line("let everybody read it", "ferry mirror setup", "lets_everybody_read_s3"),
        Line("upload the models and the catalog", "ferry push", "has_both_regions_in_step"),
        Line("create the mirror in eu-west-1", "ferry mirror setup", "makes_the_buckets"),
        Line("replicate between the regions", "ferry mirror setup", "sets_up_what_only_aws_has"),
    ],
    GITHUB: [
        Line("a workflow that is started with a model", "ferry announce", "publishes_by_a_workflow"),
        Line("releases with the models as assets", "ferry push", "has_releases"),
    ],
    ENDPOINTS: [
        Line("the CDN", "ferry list", "lists_from_each_endpoint"),
        Line("the bucket itself", "ferry list", "lists_from_each_endpoint"),
        Line("git, as raw files", "ferry list", "lists_from_each_endpoint"),
        Line("a second domain", "ferry list", "lists_from_each_endpoint"),
    ],
    UPLOAD: [
        Line("each model to all mirrors", "ferry push", "updates_every_mirror_at_once"),
        Line("the catalog to all endpoints", "ferry push", "has_the_same_catalog_everywhere"),
    ],
    OVERVIEW: [
        Line("catalog: models and their metadata as JSON", "ferry show", "describes_models"),
        Line("network: mirrors in several regions", "ferry mirror list", "lists_mirrors_by_region"),
        Line("integrity: SHA-256 of every file", "ferry store verify", "verifies_what_was_fetched"),
        Line("fallback: several sources", "ferry fetch --exclude-mirror", "fetches_without_the_primary"),
        Line("analytics: downloads and usage", "ferry stats show --by model", "counts_by_model"),
    ],
    TRACKING: [
        Line("count the downloads at the CDN", "ferry stats import", "counts_by_model"),
        Line("a worker that counts them", "ferry mirror config cloudflare --apply", "has_a_worker"),
        Line("request metrics of S3", "ferry stats counters", "reads_what_aws_counts"),
    ],
    DASHBOARD: [
        Line("downloads by model", "ferry stats import --prometheus", "shows_downloads_by_model"),
        Line("geographic distribution", "ferry stats show --by country", "shows_countries"),
        Line("for everybody, as pages", "ferry site --push", "shows_a_site"),
    ],
    SECURITY: [
        Line("access logs of S3", "ferry stats import", "reads_logs_of_s3"),
        Line("limit requests at Cloudflare", "ferry mirror config cloudflare --apply", "limits_at_cloudflare"),
        Line("have Cloudflare push its logs", "ferry mirror config cloudflare --apply", "has_logpush"),
        Line("read these logs", "ferry stats import", "shows_countries"),
    ],
    BEFORE: [
        Line("all models are on the primary", "ferry push --preflight", "has_all_on_the_primary"),
        Line("the mirrors are in step", "ferry verify", "verifies_in_step"),
        Line("the catalog is valid and deployed", "ferry catalog lint", "lints"),
        Line("the SHA-256 of all models are right", "ferry verify --full", "verifies_every_byte"),
        Line("speed, from several regions", "ferry health --merge", "measures_from_several_places"),
        Line("the fallbacks work", "ferry doctor --drill", "drills"),
        Line("the dashboards are set up", "ferry health --prometheus", "fills_the_dashboards"),
        Line("all of that as one list", "ferry doctor", "passes_the_doctor"),
    ],
    LAUNCH: [
        Line("apps use the catalog in production", "ferry catalog invite", "invites_users"),
        Line("success of downloads", "ferry stats show --by status", "shows_success"),
        Line("geographic distribution", "ferry stats show --by country", "shows_countries"),
        Line("performance of the CDN", "ferry health", "measures_the_mirrors"),
        Line("alerts for failures", "ferry health --test-alert", "tests_the_alert"),
    ],
    AFTER: [
        Line("a process to update models", "ferry announce", "publishes_by_a_workflow"),
        Line("automated tests", "ferry catalog lint", "lints"),
        Line("a pipeline for submissions", "ferry prepare --card", "checks_a_submission"),
    ],
    COSTS: [
        Line("R2: storage and requests", "ferry cost", "estimates_r2"),
        Line("S3 in the US: storage and transfer", "ferry cost", "estimates_s3"),
        Line("S3 in the EU", "ferry cost", "estimates_s3"),
        Line("the CDN and its analytics", "ferry stats export --prometheus", "needs_no_other_service"),
        Line("the total, within the budget", "ferry cost --budget", "keeps_within_the_budget"),
        Line("a primary without egress fees", "ferry cost --order", "saves_egress"),
        Line("compression", "ferry update", "downloads_only_what_changed"),
        Line("caching", "ferry mirror probe", "lets_caches_keep_what_never_changes"),
        Line("lifecycle of old versions", "ferry push --prune", "removes_old_versions"),
        Line("monitor the usage", "ferry stats show --by mirror", "counts_by_mirror"),
    ],
    WEEKLY: [
        Line("review the downloads", "ferry stats show --by model", "counts_by_model"),
        Line("mirrors are in step", "ferry health history", "keeps_a_history"),
        Line("error rates", "ferry stats show --by status", "shows_success"),
    ],
    MONTHLY: [
        Line("update the catalog", "ferry catalog sign", "publishes_by_a_workflow"),
        Line("review costs", "ferry cost", "keeps_within_the_budget"),
        Line("failover", "ferry health silence", "fails_over"),
        Line("failover, from every mirror alone", "ferry doctor --drill", "drills"),
    ],
    QUARTERLY: [
        Line("infrastructure: move to a new mirror", "ferry sync", "moves_to_a_new_mirror"),
        Line("infrastructure: what was left behind", "ferry mirror cleanup", "cleans_up"),
        Line("security", "ferry catalog key check", "audits_the_keys"),
        Line("performance", "ferry mirror probe", "serves_through_the_cdn"),
    ],
    UPDATE: [
        Line("prepare the new model", "ferry prepare", "publishes_by_a_workflow"),
        Line("upload it to staging first", "ferry push --stage", "publishes_by_a_workflow"),
        Line("validate integrity and metadata", "ferry verify --full", "publishes_by_a_workflow"),
        Line("deploy it to production", "ferry push", "publishes_by_a_workflow"),
        Line("update the catalog", "ferry catalog sign", "publishes_by_a_workflow"),
        Line("announce it", "ferry announce", "publishes_by_a_workflow"),
        Line("announce it to the community", "ferry site --push", "has_a_feed"),
    ],
    ALERTS: [
        Line("more than 5 % of the downloads fail", "ferry stats import", "raises_failing_downloads"),
        Line("the primary is down", "ferry health", "raises_a_primary_that_is_down"),
    ],
    HEALTH: [
        Line("each URL, and an alert", "ferry health", "raises_a_primary_that_is_down"),
    ],
    LIMITS: [
        Line("limit the requests of a client", "ferry mirror config nginx", "limits_requests"),
        Line("the limit is in force", "ferry doctor --rate-limits", "limits_requests"),
    ],
    LAST: [
        Line("procedures are documented", "ferry catalog renew", "documents_what_was_done"),
    ],
}
