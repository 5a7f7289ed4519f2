/* banned.h - calls that have a safer form here; using one breaks the build. */
#ifndef ROOST_BASE_BANNED_H
#define ROOST_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok strncpy strncat atoi atol atoll gets
#pragma GCC poison localtime gmtime ctime asctime system popen tmpnam

#endif
