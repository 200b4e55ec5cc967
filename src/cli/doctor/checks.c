#include "cli/doctor/doctor.h"

/* In the order in which they are shown. */
const struct doctor_check doctor_checks[] = {
	{ "settings", DOCTOR_FOR_ALL, doctor_check_settings },
	{ "catalog", DOCTOR_FOR_PUBLISHER, doctor_check_catalog },
	{ "expiry", DOCTOR_FOR_PUBLISHER, doctor_check_expiry },
	{ "keys", DOCTOR_FOR_PUBLISHER, doctor_check_keys },
	{ "spare-key", DOCTOR_FOR_PUBLISHER, doctor_check_spare },
	{ "backup", DOCTOR_FOR_PUBLISHER, doctor_check_backup },
	{ "primary", DOCTOR_FOR_PUBLISHER, doctor_check_primary },
	{ "mirrors", DOCTOR_FOR_PUBLISHER, doctor_check_mirrors },
	{ "servers", DOCTOR_FOR_PUBLISHER, doctor_check_servers },
	{ "speed", DOCTOR_FOR_PUBLISHER, doctor_check_speed },
	{ "fallbacks", DOCTOR_FOR_PUBLISHER, doctor_check_fallbacks },
	{ "rate-limits", DOCTOR_FOR_PUBLISHER, doctor_check_limits },
	{ "digests", DOCTOR_FOR_PUBLISHER, doctor_check_digests },
	{ "health", DOCTOR_FOR_PUBLISHER, doctor_check_watch },
	{ "cost", DOCTOR_FOR_PUBLISHER, doctor_check_cost },
	{ "logs", DOCTOR_FOR_OPERATOR, doctor_check_logs },
	{ "alerts", DOCTOR_FOR_OPERATOR, doctor_check_alerts },
	{ "metrics", DOCTOR_FOR_OPERATOR, doctor_check_metrics },
	{ "trust", DOCTOR_FOR_CLIENT, doctor_check_trust },
	{ "endpoints", DOCTOR_FOR_CLIENT, doctor_check_endpoints },
	{ "clock", DOCTOR_FOR_CLIENT, doctor_check_clock },
	{ "fallbacks", DOCTOR_FOR_CLIENT, doctor_check_fallbacks },
	{ "disk", DOCTOR_FOR_USER, doctor_check_disk },
	{ "store", DOCTOR_FOR_USER, doctor_check_store },
	{ "owners", DOCTOR_FOR_USER, doctor_check_owners },
	{ "proxies", DOCTOR_FOR_USER, doctor_check_proxies },
};
const size_t doctor_check_count = ARRAY_LEN(doctor_checks);
