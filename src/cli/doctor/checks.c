#include "cli/doctor/doctor.h"

/* In the order in which they are shown. */
const struct doctor_check doctor_checks[] = {
	{ "settings", DOCTOR_FOR_ALL, doctor_check_settings, false },
	{ "catalog", DOCTOR_FOR_PUBLISHER, doctor_check_catalog, false },
	{ "expiry", DOCTOR_FOR_PUBLISHER, doctor_check_expiry, false },
	{ "keys", DOCTOR_FOR_PUBLISHER, doctor_check_keys, false },
	{ "spare-key", DOCTOR_FOR_PUBLISHER, doctor_check_spare, false },
	{ "primary", DOCTOR_FOR_PUBLISHER, doctor_check_primary, false },
	{ "mirrors", DOCTOR_FOR_PUBLISHER, doctor_check_mirrors, false },
	{ "servers", DOCTOR_FOR_PUBLISHER, doctor_check_servers, false },
};
const size_t doctor_check_count = ARRAY_LEN(doctor_checks);
