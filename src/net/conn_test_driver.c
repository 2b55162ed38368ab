#include "net/conn_test.h"
