/* Functions that have no safe use here; the replacement is in the comment. Included last by
 * base.h so that system headers have declared them already. */
#pragma once

#include <stdio.h>
#include <time.h>

#define POSTHORN_BANNED(f) sorry_##f##_is_a_banned_function
#undef strcpy
#define strcpy(d, s) POSTHORN_BANNED(strcpy) /* buf_add */
#undef strcat
#define strcat(d, s) POSTHORN_BANNED(strcat) /* buf_add */
#undef strncpy
#define strncpy(d, s, n) POSTHORN_BANNED(strncpy) /* snprintf */
#undef sprintf
#define sprintf(...) POSTHORN_BANNED(sprintf) /* snprintf, buf_addf */
#undef strtok
#define strtok(s, d) POSTHORN_BANNED(strtok) /* sv_split */
#undef atoi
#define atoi(s) POSTHORN_BANNED(atoi) /* sv_to_u64 */
#undef gmtime
#define gmtime(t) POSTHORN_BANNED(gmtime) /* gmtime_r */
#undef localtime
#define localtime(t) POSTHORN_BANNED(localtime) /* localtime_r */
