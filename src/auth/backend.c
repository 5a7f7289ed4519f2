#include "auth/backend.h"
