/* The SHA-256 instructions of Armv8, checked by a program that `make arm-kernel` runs. */
#include "util/os.h"

#include "sha256_check.h"

#include <stdio.h>

int main(void)
{
	const struct sha256_kernel *k = sha256_kernel_arm();
	if (!k || !os_has_arm_sha256()) {
		puts("FAIL arm kernel: this processor has no SHA-256 instructions");
		return 1;
	}
	const char *wrong = sha256_check_kernel(k);
	if (wrong) {
		printf("FAIL arm kernel: %s: %s\n", k->name, wrong);
		return 1;
	}
	printf("arm kernel: %s: right\n", k->name);
	return 0;
}
