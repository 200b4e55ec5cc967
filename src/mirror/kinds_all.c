#include "mirror/kinds.h"

const struct mirror_ops *const mirror_kinds_all[] = { &mirror_file, &mirror_http, NULL };
