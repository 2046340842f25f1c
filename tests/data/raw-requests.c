/* Make raw requests of a device, and print what comes of each; nothing of a libc is used. */
typedef long word;
#ifdef __x86_64__
enum { WRITE = 1, OPEN = 2, IOCTL = 16, EXIT = 60, STAT = 4 };
static word call(word n, word a, word b, word c) {
    word r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return r;
}
#else
enum { WRITE = 4, OPEN = 5, IOCTL = 54, EXIT = 1, STAT = 195 };
static word call(word n, word a, word b, word c) {
    word r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}
#endif
static void print(word n) {
    char text[24]; int at = 24; unsigned long u = n < 0 ? -n : n;
    text[--at] = '\n';
    do text[--at] = '0' + u % 10; while (u /= 10);
    if (n < 0) text[--at] = '-';
    call(WRITE, 1, (word)(text + at), 24 - at);
}
struct request { unsigned int number; long long argument; };
static const struct request requests[] = { REQUESTS };
static unsigned int vecaps[2];
static char stat[256];
void start(void) {
    word fd = call(OPEN, (word)DEVICE, 2, 0);
    print(fd < 0 ? fd : 0);
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        word argument = (word)requests[i].argument;
        if (argument == 0x7654321) {
            vecaps[0] = 0; vecaps[1] = 0xdeadbeef;
            argument = (word)vecaps;
        }
        print(call(IOCTL, fd, (word)requests[i].number, argument));
    }
    print(vecaps[1]);
    print(call(STAT, (word)DEVICE, (word)stat, 0));
    print(*(unsigned int *)(stat + (sizeof(word) == 8 ? 24 : 16)));
    call(EXIT, 0, 0, 0);
}
void _start(void);
__asm__(".globl _start\n_start:\n"
#ifdef __x86_64__
        "and $-16, %rsp\n"
#endif
        "call start\n");
