/* The one binary: hands over to proc/. */
#include "base/base.h"

int main(void)
{
    return 0;
}
