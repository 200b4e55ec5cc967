#include "mirror/kinds.h"

const struct mirror_ops *const mirror_kinds_all[] = {
	&mirror_bundle, &mirror_file,   &mirror_http, &mirror_names, &mirror_s3,
	&mirror_r2,     &mirror_github, &mirror_git,  &mirror_oci,   NULL
};
