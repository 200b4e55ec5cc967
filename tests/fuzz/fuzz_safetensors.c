/* Any bytes as a safetensors file, and its kind by its first bytes. */
#include "prepare/huggingface.h"
#include "gguf/sniff.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT, refusal = ERR_INIT;
	char path[64];
	uint64_t got;
	int fd = memfd_create("safetensors", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (huggingface_check_safetensors(path, "x", &got, &e) == 0 && got != size)
		abort();
	size_t head = MIN(size, (size_t)SNIFF_BYTES);
	enum sniff kind = sniff_bytes(data, head);
	if (kind != SNIFF_GGUF && kind != SNIFF_ARCHIVE &&
	    sniff_refuse(kind, data, head, "x", &refusal) != -ERR_INTEGRITY)
		abort();
	close(fd);
	return 0;
}
