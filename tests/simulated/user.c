/*
 * SIMULATED: another user. Preloaded into a program, it makes the files of the user who runs the
 * tests those of somebody else. For machines where the tests may not give files away.
 */
#include <unistd.h>

uid_t geteuid(void)
{
	return getuid() + 1;
}
