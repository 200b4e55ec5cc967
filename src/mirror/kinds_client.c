#include "mirror/kinds.h"

const struct mirror_ops *const mirror_kinds_client[] = {
	&mirror_bundle,      &mirror_file,     &mirror_http, &mirror_names,
	&mirror_github_read, &mirror_oci_read, NULL
};
