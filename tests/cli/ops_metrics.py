"""The metrics of the commands, and what rules and dashboards name of them."""

import re

MIRROR = ("repository", "mirror")

# name: its labels. What Prometheus adds itself (job, instance) can be named anywhere.
HEALTH = {
    "ferry_build_info": ("version",),
    "ferry_health_last_run_timestamp_seconds": ("repository",),
    "ferry_health_run_duration_seconds": ("repository",),
    "ferry_mirror_info": (*MIRROR, "kind", "region", "holds"),
    "ferry_mirror_primary": MIRROR,
    "ferry_mirror_up": MIRROR,
    "ferry_mirror_silenced": MIRROR,
    "ferry_mirror_check_state": (*MIRROR, "check"),
    "ferry_mirror_release": MIRROR,
    "ferry_mirror_release_lag": MIRROR,
    "ferry_mirror_metadata_timestamp_seconds": MIRROR,
    "ferry_role_expiry_timestamp_seconds": ("repository", "role"),
    "ferry_mirror_certificate_expiry_timestamp_seconds": MIRROR,
    "ferry_probe_duration_seconds": (*MIRROR, "phase"),
    "ferry_mirror_read_bytes_per_second": MIRROR,
    "ferry_mirror_clock_skew_seconds": MIRROR,
    "ferry_mirror_pieces_checked_total": (*MIRROR, "result"),
    "ferry_mirror_audit_bytes_total": MIRROR,
    "ferry_mirror_audit_coverage_ratio": MIRROR,
    "ferry_mirror_audit_oldest_check_timestamp_seconds": MIRROR,
    "ferry_mirror_bad_pieces": MIRROR,
    "ferry_mirror_missing_objects": MIRROR,
    "ferry_github_api_remaining": MIRROR,
    "ferry_github_api_limit": MIRROR,
    "ferry_repository_release": ("repository",),
    "ferry_repository_models": ("repository",),
    "ferry_repository_variants": ("repository",),
    "ferry_repository_bytes": ("repository",),
    "ferry_repository_release_seen_timestamp_seconds": ("repository",),
    "ferry_alert_failures_total": ("alert",),
}
STATS = {
    "ferry_requests_total": ("mirror", "outcome"),
    "ferry_downloads_total": ("model", "outcome"),
    "ferry_download_bytes_total": ("model",),
    "ferry_variant_downloads_total": ("model", "variant"),
    "ferry_country_downloads_total": ("country",),
    "ferry_client_downloads_total": ("client",),
    "ferry_mirror_download_bytes_total": ("mirror",),
    "ferry_stats_lines_total": ("result",),
    "ferry_stats_last_import_timestamp_seconds": (),
    "ferry_stats_newest_request_timestamp_seconds": ("mirror",),
    "ferry_stats_open_sessions": (),
    "ferry_github_asset_downloads": ("model",),
}
COST = {
    "ferry_cost_month": MIRROR,
    "ferry_cost_budget": ("repository",),
    "ferry_cost_timestamp_seconds": ("repository",),
}
NODE = {
    "ferry_node_models_wanted": (),
    "ferry_node_models_ready": (),
    "ferry_node_models_unlisted": (),
    "ferry_node_memory_bytes": (),
    "ferry_node_memory_needed_bytes": (),
    "ferry_node_last_apply_timestamp_seconds": (),
    "ferry_node_last_apply_faults": (),
    "ferry_node_model_ready": ("name",),
    "ferry_node_model_memory_needed_bytes": ("name",),
    "ferry_node_engine_up": ("name",),
    "ferry_node_engine_uptime_seconds": ("name",),
}
EDGE = {
    "ferry_build_info": ("version",),
    "ferry_serve_requests_total": ("class",),
    "ferry_serve_first_byte_seconds_bucket": ("le",),
    "ferry_serve_first_byte_seconds_sum": (),
    "ferry_serve_first_byte_seconds_count": (),
    "ferry_serve_start_timestamp_seconds": (),
    "ferry_serve_connections": (),
    "ferry_serve_connections_total": (),
    "ferry_serve_requests_in_progress": (),
    "ferry_serve_sent_bytes_total": (),
    "ferry_serve_cut_answers_total": (),
    "ferry_serve_refused_requests_total": ("reason",),
    "ferry_serve_waiting_jobs": (),
    "ferry_serve_lost_log_lines_total": (),
    "ferry_serve_cache_objects": ("of",),
    "ferry_serve_cache_bytes": ("of",),
    "ferry_serve_cache_limit_bytes": (),
    "ferry_serve_disk_free_bytes": (),
    "ferry_serve_disk_reserve_bytes": (),
    "ferry_serve_cache_requests_total": ("result",),
    "ferry_serve_fetched_bytes_total": ("from",),
    "ferry_serve_wasted_bytes_total": (),
    "ferry_serve_wrong_pieces_total": (),
    "ferry_serve_evicted_objects_total": (),
    "ferry_serve_evicted_bytes_total": (),
    "ferry_serve_damaged_objects_total": ("how",),
    "ferry_serve_scrubbed_bytes_total": (),
    "ferry_serve_scrub_oldest_timestamp_seconds": (),
    "ferry_serve_scrub_period_seconds": (),
    "ferry_serve_pulls": ("state",),
    "ferry_serve_peers": ("state",),
    "ferry_serve_keys": ("kind",),
    "ferry_serve_key_set_failures": (),
    "ferry_serve_limit_clients": (),
    "ferry_serve_redis_breaker_open": (),
    "ferry_serve_redis_questions_total": ("result",),
    "ferry_serve_limited_without_redis_total": (),
    "ferry_serve_release_up": ("repository",),
    "ferry_serve_release": ("repository",),
    "ferry_serve_release_expiry_timestamp_seconds": ("repository",),
    "ferry_serve_release_asked_timestamp_seconds": ("repository",),
    "ferry_serve_refreshes_total": ("repository",),
    "ferry_serve_failed_refreshes_total": ("repository",),
}
METRICS = {**HEALTH, **STATS, **COST, **EDGE, **NODE}
ADDED = {"job", "instance", "alertname", "alertstate", "severity", "le"}


def words_of(query):
    """The metrics, and the labels, that a PromQL expression names."""
    bare = re.sub(r'"[^"]*"', '""', query)
    metrics = set(re.findall(r"\bferry_\w+", bare))
    labels = set()
    for inside in re.findall(r"\{([^}]*)\}", bare):
        labels |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
    for inside in re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", bare):
        labels |= set(re.findall(r"\w+", inside))
    return metrics, labels


def unknown_words(query):
    """Metrics that nobody writes, and labels that none of the query's metrics has."""
    metrics, labels = words_of(query)
    has = ADDED.union(*(METRICS.get(m, ()) for m in metrics))
    return sorted(metrics - set(METRICS)) + sorted(labels - has)


def values_in(text):
    """{metric: [labels of a value]} of a file in Prometheus' text format."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, inside = re.match(r"(\w+)(?:\{(.*)\})? \S+$", line).groups()
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inside or ""))
            found.setdefault(name, []).append(labels)
    return found
