/*
 * A libamd_smi.so without a GPU, so that the tests run the real ctypes path of amdsmi.
 *
 * What amdsmi looks up beside these functions is appended by the tests, and not supported.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int status;
enum { SUCCESS = 0, NOT_SUPPORTED = 2, NOT_INIT = 32, GPUS = 8, RULES = 32 };

struct gpu {
    uint32_t activity;
    uint64_t total, used, corrected, uncorrected, replays;
    int64_t edge, hotspot;
    int index;
};
static struct gpu gpus[GPUS];
static int count, initialized, violations;
static struct {
    char function[64];
    int gpu, code;
} rules[RULES];
static int rule_count;

void fake_reset(int gpu_count) {
    memset(gpus, 0, sizeof gpus);
    rule_count = violations = 0;
    count = gpu_count;
    for (int i = 0; i < GPUS; i++)
        gpus[i] = (struct gpu){40, 64ull << 30, 16ull << 30, 3, 1, 5, 55, 70, i};
}
void fake_count(int gpu_count) { count = gpu_count; }
void fake_fail(const char *function, int gpu, int code) {
    snprintf(rules[rule_count].function, 64, "%s", function);
    rules[rule_count].gpu = gpu;
    rules[rule_count++].code = code;
}
void fake_recover(void) { rule_count = 0; }
void fake_set_activity(int gpu, unsigned value) { gpus[gpu].activity = value; }
int fake_initialized(void) { return initialized; }
int fake_violations(void) { return violations; }

static int failure(const char *function, struct gpu *gpu) {
    for (int i = 0; i < rule_count; i++)
        if (!strcmp(rules[i].function, function)
            && (rules[i].gpu < 0 || (gpu && rules[i].gpu == gpu->index)))
            return rules[i].code;
    if (gpu && !initialized) {
        violations++;
        return NOT_INIT;
    }
    return SUCCESS;
}
#define CHECK(gpu)                              \
    do {                                        \
        int code = failure(__func__, gpu);      \
        if (code) return code;                  \
    } while (0)

status amdsmi_init(uint64_t flags) {
    (void)flags;
    CHECK(NULL);
    initialized++;
    return SUCCESS;
}
status amdsmi_shut_down(void) {
    CHECK(NULL);
    initialized--;
    return SUCCESS;
}
status amdsmi_get_socket_handles(uint32_t *sockets, void **handles) {
    CHECK(NULL);
    *sockets = 1;
    if (handles) handles[0] = gpus;
    return SUCCESS;
}
status amdsmi_get_processor_handles(void *socket, uint32_t *processors, void **handles) {
    (void)socket;
    CHECK(NULL);
    *processors = count;
    if (handles)
        for (int i = 0; i < count; i++) handles[i] = &gpus[i];
    return SUCCESS;
}
status amdsmi_get_gpu_device_uuid(struct gpu *gpu, unsigned *length, char *uuid) {
    CHECK(gpu);
    snprintf(uuid, *length, "%02xff0000-0000-1000-8000-000000000000", gpu->index);
    return SUCCESS;
}
status amdsmi_get_gpu_device_bdf(struct gpu *gpu, uint64_t *bdf) {
    CHECK(gpu);
    *bdf = (uint64_t)(0xc1 + gpu->index) << 8;
    return SUCCESS;
}
struct activity {
    uint32_t gfx, umc, mm, reserved[13];
};
status amdsmi_get_gpu_activity(struct gpu *gpu, struct activity *activity) {
    CHECK(gpu);
    activity->gfx = gpu->activity;
    return SUCCESS;
}
status amdsmi_get_gpu_memory_total(struct gpu *gpu, int kind, uint64_t *total) {
    CHECK(gpu);
    if (kind) violations++;
    *total = gpu->total;
    return SUCCESS;
}
status amdsmi_get_gpu_memory_usage(struct gpu *gpu, int kind, uint64_t *used) {
    CHECK(gpu);
    if (kind) violations++;
    *used = gpu->used;
    return SUCCESS;
}
status amdsmi_get_temp_metric(struct gpu *gpu, int sensor, int metric, int64_t *value) {
    CHECK(gpu);
    if (metric) violations++;
    /* As accelerators do, of which the edge has no sensor. */
    int code = sensor == 0 ? failure("edge", gpu) : SUCCESS;
    *value = sensor == 0 ? gpu->edge : gpu->hotspot;
    return code;
}
struct errors {
    uint64_t corrected, uncorrected, deferred, reserved[5];
};
status amdsmi_get_gpu_total_ecc_count(struct gpu *gpu, struct errors *errors) {
    CHECK(gpu);
    errors->corrected = gpu->corrected;
    errors->uncorrected = gpu->uncorrected;
    return SUCCESS;
}
status amdsmi_get_gpu_pci_replay_counter(struct gpu *gpu, uint64_t *value) {
    CHECK(gpu);
    *value = gpu->replays;
    return SUCCESS;
}
