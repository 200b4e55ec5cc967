#include "publish/speed.h"

#include "mirror/folder.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define SPEED_FOLDER FOLDER_PRIVATE "/speed"
#define ENOUGH_BYTES (16 * MIB)

uint64_t speed_read(const char *dir, const char *id)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64);
	struct err ignored = ERR_INIT;
	uint64_t speed = 0;
	if (!dir)
		return 0;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/" SPEED_FOLDER "/%s", dir, id);
	if (file_read_all(path, &text, &ignored) < 0)
		return 0;
	CLEANUP(mem_free_ptr) char *line = mem_strndup(buf_str(&text),
						       strcspn(buf_str(&text), "\n"));
	return parse_u64(line, &speed) ? speed : 0;
}

void speed_note(const char *dir, const char *id, uint64_t bytes, uint64_t ms)
{
	struct err ignored = ERR_INIT;
	uint64_t scaled;
	if (!dir || bytes < ENOUGH_BYTES || !mul_u64(bytes, 1000, &scaled))
		return;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/" SPEED_FOLDER "/%s", dir, id);
	CLEANUP(mem_free_ptr) char *line = mem_printf("%llu\n",
						      (unsigned long long)(scaled / MAX(ms, 1)));
	if (file_mkdirs_for(path, FILE_DIR_MODE, &ignored) == 0)
		(void)!file_write_own(path, line, strlen(line), FILE_MODE, &ignored);
}
