/*
 * A libnvidia-ml.so.1 without a GPU, so that the tests run the real ctypes path of pynvml.
 *
 * It keeps the ABI of nvml.h for the functions that are used, and is strict: a structure of
 * another version, a handle from before a restart, a buffer freed twice or left over at
 * shutdown, and samples too close together are counted as violations. The tests steer it by
 * the functions that begin with `fake_`.
 *
 * With -DOLD_DRIVER it lacks what drivers of 2019 lacked.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int nvmlReturn_t;
enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    TIMEOUT = 10,
    ARGUMENT_VERSION_MISMATCH = 25,
};

#define BOARDS 16
#define SLOTS 7
#define SAMPLES 256
#define RULES 64
#define FUNCTIONS 64
#define GPM_IDS 128
#define FIELDS 256
#define PROCESSES 64
#define LINKS 18
#define EVENTS 64

/* ---- State ------------------------------------------------------------------------------ */

struct values {
    unsigned utilization, memory_utilization, cores, power, pcie_tx, pcie_rx;
    int temperature, major, minor, mig_mode, gpm, garbled, remap_pending, remap_failed;
    unsigned pcie_replays;
    unsigned long long total, reserved, used, energy, corrected, uncorrected, clock_events;
};
struct process {
    unsigned pid;
    unsigned long long used;
};
struct mig {
    int there, gpu_instance, multiprocessors, serial;
    unsigned long long total, used;
    struct process processes[PROCESSES];
    int process_count;
};
/* What a handle points to: a board (slot -1), or a MIG device. */
struct device {
    int board, slot, generation, serial;
};
struct sample {
    int live;
    struct device of;
    int gpu_instance;
    long long taken;
};
struct rule {
    char function[64];
    int board, code;
};

static struct {
    int count, order[BOARDS];
    struct values boards[BOARDS];
    struct mig migs[BOARDS][SLOTS];
    struct process processes[BOARDS][PROCESSES];
    int process_count[BOARDS];
    double gpm[GPM_IDS];
    int gpm_code[GPM_IDS];
    unsigned long long fields[FIELDS];
    int field_there[FIELDS];
    unsigned long long link_fields[FIELDS][LINKS];
    int link_field_there[FIELDS][LINKS];
    struct {
        int board;
        unsigned long long xid;
    } events[EVENTS];
    int event_count, event_sets, watched[BOARDS];
    struct rule rules[RULES];
    int rule_count;
    char called[FUNCTIONS][64];
    int calls[FUNCTIONS];
    int real_time, initialized, generation, live_samples, violations;
    long long now;
    char violation[256];
} S;
static struct device handles[BOARDS][SLOTS + 1];
static struct sample samples[SAMPLES];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char hanging_function[64];
static int hanging;

static void violate(const char *what) {
    S.violations++;
    snprintf(S.violation, sizeof S.violation, "%s", what);
}

/* ---- Steering --------------------------------------------------------------------------- */

void fake_reset(void) {
    memset(&S, 0, sizeof S);
    memset(samples, 0, sizeof samples);
    for (int board = 0; board < BOARDS; board++) S.order[board] = board;
}
/* With FAKE_NVML_GPUS=n in the environment there are n GPUs from the start, in real time. */
__attribute__((constructor)) static void start(void) {
    const char *gpus = getenv("FAKE_NVML_GPUS");
    fake_reset();
    S.count = gpus ? atoi(gpus) : 0;
    S.real_time = gpus != NULL;
    for (int board = 0; board < BOARDS; board++)
        S.boards[board] = (struct values){
            .utilization = 40, .memory_utilization = 30, .cores = 16896, .power = 350500,
            .temperature = 60, .major = 9, .gpm = 1, .total = 80ull << 30,
            .reserved = 1ull << 30, .used = 20ull << 30, .energy = 123456500, .corrected = 7,
        };
}
void fake_set_count(int count) { S.count = count; }
/* Which board answers to an index. */
void fake_set_order(int index, int board) { S.order[index] = board; }
void fake_set(int board, const char *what, long long value) {
    struct values *v = &S.boards[board];
    if (!strcmp(what, "utilization")) v->utilization = value;
    else if (!strcmp(what, "memory_utilization")) v->memory_utilization = value;
    else if (!strcmp(what, "cores")) v->cores = value;
    else if (!strcmp(what, "power")) v->power = value;
    else if (!strcmp(what, "pcie_tx")) v->pcie_tx = value;
    else if (!strcmp(what, "pcie_rx")) v->pcie_rx = value;
    else if (!strcmp(what, "temperature")) v->temperature = value;
    else if (!strcmp(what, "major")) v->major = value;
    else if (!strcmp(what, "minor")) v->minor = value;
    else if (!strcmp(what, "mig_mode")) v->mig_mode = value;
    else if (!strcmp(what, "gpm")) v->gpm = value;
    else if (!strcmp(what, "garbled")) v->garbled = value;
    else if (!strcmp(what, "total")) v->total = value;
    else if (!strcmp(what, "reserved")) v->reserved = value;
    else if (!strcmp(what, "used")) v->used = value;
    else if (!strcmp(what, "energy")) v->energy = value;
    else if (!strcmp(what, "corrected")) v->corrected = value;
    else if (!strcmp(what, "uncorrected")) v->uncorrected = value;
    else if (!strcmp(what, "clock_events")) v->clock_events = value;
    else if (!strcmp(what, "remap_pending")) v->remap_pending = value;
    else if (!strcmp(what, "remap_failed")) v->remap_failed = value;
    else if (!strcmp(what, "pcie_replays")) v->pcie_replays = value;
    else violate("the test sets something unknown");
}
void fake_set_mig(int board, int slot, int gpu_instance, int multiprocessors,
                  unsigned long long total, unsigned long long used, int serial) {
    S.migs[board][slot] = (struct mig){1, gpu_instance, multiprocessors, serial, total, used,
                                       {{0, 0}}, 0};
}
void fake_remove_mig(int board, int slot) { S.migs[board][slot].there = 0; }
void fake_add_process(int board, int slot, unsigned pid, unsigned long long used) {
    if (slot < 0) S.processes[board][S.process_count[board]++] = (struct process){pid, used};
    else {
        struct mig *mig = &S.migs[board][slot];
        mig->processes[mig->process_count++] = (struct process){pid, used};
    }
}
void fake_set_gpm(int id, double value, int code) {
    S.gpm[id] = value;
    S.gpm_code[id] = code;
}
void fake_set_field(int id, unsigned long long value) {
    S.fields[id] = value;
    S.field_there[id] = 1;
}
/* A counter that each link has of its own. */
void fake_set_link_field(int id, int link, unsigned long long value) {
    S.link_fields[id][link] = value;
    S.link_field_there[id][link] = 1;
}
/* An XID error of a board: told to whoever watches it by now. */
void fake_xid(int board, unsigned long long xid) {
    if (!S.watched[board] || S.event_count == EVENTS) return;
    S.events[S.event_count].board = board;
    S.events[S.event_count++].xid = xid;
}
int fake_event_sets(void) { return S.event_sets; }
/* Have a function fail with a code: for a board, or for all (-1). Code 0 ends that. */
void fake_fail(const char *function, int board, int code) {
    struct rule *rule = &S.rules[0];
    while (rule < &S.rules[S.rule_count]
           && (strcmp(rule->function, function) || rule->board != board))
        rule++;
    if (rule == &S.rules[S.rule_count]) S.rule_count++;
    snprintf(rule->function, sizeof rule->function, "%s", function);
    rule->board = board;
    rule->code = code;
}
void fake_advance(long long milliseconds) { S.now += milliseconds; }
int fake_calls(const char *function) {
    for (int i = 0; i < FUNCTIONS && S.called[i][0]; i++)
        if (!strcmp(S.called[i], function)) return S.calls[i];
    return 0;
}
int fake_live_samples(void) { return S.live_samples; }
int fake_initialized(void) { return S.initialized; }
int fake_violations(void) { return S.violations; }
const char *fake_violation(void) { return S.violation; }

/* Have a function block until fake_release. */
void fake_hang(const char *function) {
    pthread_mutex_lock(&lock);
    snprintf(hanging_function, sizeof hanging_function, "%s", function);
    pthread_mutex_unlock(&lock);
}
/* Block until a call hangs. */
void fake_await_hang(void) {
    pthread_mutex_lock(&lock);
    while (!hanging) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}
void fake_release(void) {
    pthread_mutex_lock(&lock);
    hanging_function[0] = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* ---- What every function does first ----------------------------------------------------- */

static void note(const char *function) {
    int i = 0;
    while (i < FUNCTIONS - 1 && S.called[i][0] && strcmp(S.called[i], function)) i++;
    snprintf(S.called[i], sizeof S.called[i], "%s", function);
    S.calls[i]++;
    pthread_mutex_lock(&lock);
    while (!strcmp(hanging_function, function)) {
        hanging++;
        pthread_cond_broadcast(&changed);
        pthread_cond_wait(&changed, &lock);
        hanging--;
    }
    pthread_mutex_unlock(&lock);
}
static int failure(const char *function, int board) {
    for (int i = 0; i < S.rule_count; i++)
        if (!strcmp(S.rules[i].function, function) || !strcmp(S.rules[i].function, "*"))
            if (S.rules[i].code && (S.rules[i].board == -1 || S.rules[i].board == board))
                return S.rules[i].code;
    return SUCCESS;
}
static int check(const char *function, struct device *device) {
    note(function);
    if (!S.initialized) return UNINITIALIZED;
    if (device && device->generation != S.generation) {
        violate("a handle from before a restart of NVML was used");
        return INVALID_ARGUMENT;
    }
    int code = failure(function, device ? device->board : -1);
    if (code) return code;
    if (device && device->slot >= 0) {
        struct mig *mig = &S.migs[device->board][device->slot];
        if (!mig->there || mig->serial != device->serial) return INVALID_ARGUMENT;
    }
    return SUCCESS;
}
#define CHECK(device)                                   \
    do {                                                \
        int code = check(__func__, device);             \
        if (code) return code;                          \
    } while (0)
/* What exists only of a whole GPU. */
#define CHECK_BOARD(device)                             \
    CHECK(device);                                      \
    if ((device)->slot >= 0) return NOT_SUPPORTED
#define BOARD(device) (&S.boards[(device)->board])
#define MIG(device) (&S.migs[(device)->board][(device)->slot])

/* ---- NVML ------------------------------------------------------------------------------- */

nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    note(__func__);
    int code = failure(__func__, -1);
    if (code) return code;
    if (!S.initialized++) S.generation++;
    return SUCCESS;
}
nvmlReturn_t nvmlShutdown(void) {
    note(__func__);
    if (!S.initialized) return UNINITIALIZED;
    if (!--S.initialized && S.live_samples) violate("samples were not freed before shutdown");
    if (!S.initialized && S.event_sets) violate("events were not freed before shutdown");
    return SUCCESS;
}
const char *nvmlErrorString(nvmlReturn_t code) {
    return code == 0 ? "Success" : "an error of the fake";
}
nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length) {
    CHECK(NULL);
    snprintf(version, length, "570.86.15");
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count) {
    CHECK(NULL);
    *count = S.count;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device) {
    CHECK(NULL);
    if ((int)index >= S.count) return INVALID_ARGUMENT;
    int board = S.order[index];
    int code = failure(__func__, board);
    if (code) return code;
    handles[board][0] = (struct device){board, -1, S.generation, 0};
    *device = &handles[board][0];
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetUUID(struct device *device, char *uuid, unsigned length) {
    CHECK(device);
    if (BOARD(device)->garbled) snprintf(uuid, length, "GPU-\xff");
    else if (device->slot < 0) snprintf(uuid, length, "GPU-%08d", device->board);
    else snprintf(uuid, length, "MIG-%08d-%d", device->board, MIG(device)->serial);
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetName(struct device *device, char *name, unsigned length) {
    CHECK(device);
    snprintf(name, length, "NVIDIA Fake %d", device->board);
    return SUCCESS;
}
struct pci {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char bus_id[32];
};
nvmlReturn_t nvmlDeviceGetPciInfo_v3(struct device *device, struct pci *pci) {
    CHECK_BOARD(device);
    memset(pci, 0, sizeof *pci);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", device->board + 16);
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCudaComputeCapability(struct device *device, int *major, int *minor) {
    CHECK(device);
    *major = BOARD(device)->major;
    *minor = BOARD(device)->minor;
    return SUCCESS;
}
struct rates {
    unsigned gpu, memory;
};
nvmlReturn_t nvmlDeviceGetUtilizationRates(struct device *device, struct rates *rates) {
    CHECK_BOARD(device);
    if (BOARD(device)->mig_mode) return NOT_SUPPORTED;
    rates->gpu = BOARD(device)->utilization;
    rates->memory = BOARD(device)->memory_utilization;
    return SUCCESS;
}
static unsigned long long total_of(struct device *device) {
    return device->slot < 0 ? BOARD(device)->total : MIG(device)->total;
}
static unsigned long long used_of(struct device *device) {
    return device->slot < 0 ? BOARD(device)->used : MIG(device)->used;
}
struct memory {
    unsigned long long total, free, used;
};
nvmlReturn_t nvmlDeviceGetMemoryInfo(struct device *device, struct memory *memory) {
    CHECK(device);
    unsigned long long reserved = device->slot < 0 ? BOARD(device)->reserved : 0;
    memory->total = total_of(device);
    memory->used = used_of(device) + reserved;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTemperature(struct device *device, unsigned sensor, unsigned *value) {
    CHECK_BOARD(device);
    if (sensor != 0) return INVALID_ARGUMENT;
    *value = BOARD(device)->temperature;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPowerUsage(struct device *device, unsigned *milliwatts) {
    CHECK_BOARD(device);
    *milliwatts = BOARD(device)->power;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(struct device *device,
                                                 unsigned long long *millijoules) {
    CHECK_BOARD(device);
    *millijoules = BOARD(device)->energy;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetTotalEccErrors(struct device *device, unsigned type, unsigned counter,
                                         unsigned long long *count) {
    CHECK_BOARD(device);
    if (counter != 1) return INVALID_ARGUMENT;
    *count = type == 0 ? BOARD(device)->corrected : BOARD(device)->uncorrected;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(struct device *device,
                                                       unsigned long long *reasons) {
    CHECK_BOARD(device);
    *reasons = BOARD(device)->clock_events;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPcieReplayCounter(struct device *device, unsigned *value) {
    CHECK_BOARD(device);
    *value = BOARD(device)->pcie_replays;
    return SUCCESS;
}
nvmlReturn_t nvmlEventSetCreate(int **set) {
    static int one;
    CHECK(NULL);
    S.event_sets++;
    *set = &one;
    return SUCCESS;
}
nvmlReturn_t nvmlEventSetFree(int *set) {
    (void)set;
    CHECK(NULL);
    if (!S.event_sets--) violate("events were freed twice");
    memset(S.watched, 0, sizeof S.watched);
    S.event_count = 0;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceRegisterEvents(struct device *device, unsigned long long types, int *set) {
    (void)set;
    CHECK_BOARD(device);
    if (types != 8) violate("other events than XID errors are watched");
    if (S.watched[device->board]++) violate("a GPU is watched twice");
    return SUCCESS;
}
struct event {
    struct device *device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};
nvmlReturn_t nvmlEventSetWait_v2(int *set, struct event *event, unsigned milliseconds) {
    (void)set;
    CHECK(NULL);
    if (milliseconds) violate("waiting for events holds up the readings");
    if (!S.event_count) return TIMEOUT;
    *event = (struct event){&handles[S.events[0].board][0], 8, S.events[0].xid, -1u, -1u};
    memmove(S.events, S.events + 1, --S.event_count * sizeof S.events[0]);
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetPcieThroughput(struct device *device, unsigned counter,
                                         unsigned *value) {
    CHECK_BOARD(device);
    *value = counter == 0 ? BOARD(device)->pcie_tx : BOARD(device)->pcie_rx;
    return SUCCESS;
}

#ifndef OLD_DRIVER

nvmlReturn_t nvmlDeviceGetRemappedRows(struct device *device, unsigned *corrected,
                                       unsigned *uncorrected, unsigned *pending,
                                       unsigned *failed) {
    CHECK_BOARD(device);
    *corrected = *uncorrected = 0;
    *pending = BOARD(device)->remap_pending;
    *failed = BOARD(device)->remap_failed;
    return SUCCESS;
}
struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(struct device *device, struct memory_v2 *memory) {
    CHECK(device);
    if (memory->version != 0x02000028) {
        violate("memory info of a wrong version");
        return ARGUMENT_VERSION_MISMATCH;
    }
    memory->total = total_of(device);
    memory->reserved = device->slot < 0 ? BOARD(device)->reserved : 0;
    memory->used = used_of(device);
    memory->free = memory->total - memory->reserved - memory->used;
    return SUCCESS;
}
struct temperature_v1 {
    unsigned version, sensor;
    int value;
};
nvmlReturn_t nvmlDeviceGetTemperatureV(struct device *device, struct temperature_v1 *query) {
    CHECK_BOARD(device);
    if (query->version != 0x100000C) {
        violate("temperature of a wrong version");
        return ARGUMENT_VERSION_MISMATCH;
    }
    query->value = BOARD(device)->temperature;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetNumGpuCores(struct device *device, unsigned *cores) {
    CHECK_BOARD(device);
    *cores = BOARD(device)->cores;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(struct device *device,
                                                    unsigned long long *reasons) {
    CHECK_BOARD(device);
    *reasons = BOARD(device)->clock_events;
    return SUCCESS;
}

struct field {
    unsigned id, scope;
    long long timestamp, latency;
    unsigned type;
    nvmlReturn_t code;
    union {
        double as_double;
        unsigned long long as_integer;
    } value;
};
nvmlReturn_t nvmlDeviceGetFieldValues(struct device *device, int count, struct field *fields) {
    CHECK_BOARD(device);
    for (int i = 0; i < count; i++) {
        unsigned id = fields[i].id;
        unsigned link = fields[i].scope;
        int a_link = id >= 161 && id <= 215 && id != 197 && id != 198;
        int there = id < FIELDS && (a_link ? link < LINKS && S.link_field_there[id][link]
                                           : S.field_there[id]);
        /* NVLink's counters need the scope "all links". */
        if ((id == 138 || id == 139) && fields[i].scope != 0xFFFFFFFFu) there = 0;
        fields[i].type = 3;
        fields[i].code = there ? SUCCESS : NOT_SUPPORTED;
        fields[i].value.as_integer =
            !there ? 0 : a_link ? S.link_fields[id][link] : S.fields[id];
    }
    return SUCCESS;
}
struct running {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(struct device *device, unsigned *count,
                                                     struct running *running) {
    CHECK(device);
    struct process *processes =
        device->slot < 0 ? S.processes[device->board] : MIG(device)->processes;
    unsigned there =
        device->slot < 0 ? S.process_count[device->board] : MIG(device)->process_count;
    unsigned room = *count;
    *count = there;
    if (there > room) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < there; i++)
        running[i] = (struct running){processes[i].pid, processes[i].used, ~0u, ~0u};
    return SUCCESS;
}

/* MIG */

nvmlReturn_t nvmlDeviceGetMigMode(struct device *device, unsigned *current, unsigned *pending) {
    CHECK_BOARD(device);
    if (BOARD(device)->major < 8) return NOT_SUPPORTED;
    *current = *pending = BOARD(device)->mig_mode;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(struct device *device, unsigned *count) {
    CHECK_BOARD(device);
    *count = BOARD(device)->mig_mode ? SLOTS : 0;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(struct device *device, unsigned slot,
                                                 struct device **mig) {
    CHECK_BOARD(device);
    if (slot >= SLOTS || !S.migs[device->board][slot].there) return NOT_FOUND;
    struct device *handle = &handles[device->board][slot + 1];
    *handle = (struct device){device->board, (int)slot, S.generation,
                              S.migs[device->board][slot].serial};
    *mig = handle;
    return SUCCESS;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceId(struct device *device, unsigned *id) {
    CHECK(device);
    if (device->slot < 0) return INVALID_ARGUMENT;
    *id = MIG(device)->gpu_instance;
    return SUCCESS;
}
struct attributes {
    unsigned multiprocessors, copy, decoder, encoder, jpeg, ofa, gpu_slices, compute_slices;
    unsigned long long memory_mb;
};
nvmlReturn_t nvmlDeviceGetAttributes_v2(struct device *device, struct attributes *attributes) {
    CHECK(device);
    if (device->slot < 0) return NOT_SUPPORTED;
    memset(attributes, 0, sizeof *attributes);
    attributes->multiprocessors = MIG(device)->multiprocessors;
    return SUCCESS;
}

/* GPM */

struct gpm_support {
    unsigned version, supported;
};
nvmlReturn_t nvmlGpmQueryDeviceSupport(struct device *device, struct gpm_support *support) {
    CHECK_BOARD(device);
    if (support->version != 1) {
        violate("GPM support of a wrong version");
        return ARGUMENT_VERSION_MISMATCH;
    }
    support->supported = BOARD(device)->gpm;
    return SUCCESS;
}
nvmlReturn_t nvmlGpmSampleAlloc(struct sample **sample) {
    CHECK(NULL);
    for (int i = 0; i < SAMPLES; i++)
        if (!samples[i].live) {
            samples[i] = (struct sample){.live = 1, .taken = -1};
            *sample = &samples[i];
            S.live_samples++;
            return SUCCESS;
        }
    return 20; /* out of memory */
}
nvmlReturn_t nvmlGpmSampleFree(struct sample *sample) {
    CHECK(NULL);
    if (!sample->live) {
        violate("a sample was freed twice");
        return INVALID_ARGUMENT;
    }
    sample->live = 0;
    S.live_samples--;
    return SUCCESS;
}
static nvmlReturn_t take(struct device *device, int gpu_instance, struct sample *sample) {
    if (!sample->live) {
        violate("a freed sample was used");
        return INVALID_ARGUMENT;
    }
    sample->of = *device;
    sample->gpu_instance = gpu_instance;
    sample->taken = S.now;
    if (S.real_time) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        sample->taken = now.tv_sec * 1000ll + now.tv_nsec / 1000000;
    }
    return SUCCESS;
}
nvmlReturn_t nvmlGpmSampleGet(struct device *device, struct sample *sample) {
    CHECK_BOARD(device);
    if (BOARD(device)->mig_mode) return NOT_SUPPORTED;
    return take(device, -1, sample);
}
nvmlReturn_t nvmlGpmMigSampleGet(struct device *device, unsigned gpu_instance,
                                 struct sample *sample) {
    CHECK_BOARD(device);
    for (int slot = 0; slot < SLOTS; slot++) {
        struct mig *mig = &S.migs[device->board][slot];
        if (mig->there && mig->gpu_instance == (int)gpu_instance)
            return take(device, gpu_instance, sample);
    }
    return NOT_FOUND;
}
struct gpm_metric {
    unsigned id;
    nvmlReturn_t code;
    double value;
    const char *names[3];
};
struct gpm_query {
    unsigned version, count;
    struct sample *older, *newer;
    struct gpm_metric metrics[];
};
nvmlReturn_t nvmlGpmMetricsGet(struct gpm_query *query) {
    CHECK(NULL);
    struct sample *older = query->older, *newer = query->newer;
    if (query->version != 1) {
        violate("GPM metrics of a wrong version");
        return ARGUMENT_VERSION_MISMATCH;
    }
    if (!older->live || !newer->live || older->taken < 0
        || older->of.board != newer->of.board || older->gpu_instance != newer->gpu_instance) {
        violate("GPM metrics of samples that do not belong together");
        return INVALID_ARGUMENT;
    }
    if (newer->taken - older->taken < 100) {
        violate("GPM samples less than 100 ms apart");
        return INVALID_ARGUMENT;
    }
    for (unsigned i = 0; i < query->count; i++) {
        unsigned id = query->metrics[i].id;
        query->metrics[i].code = id < GPM_IDS ? S.gpm_code[id] : NOT_SUPPORTED;
        query->metrics[i].value = id < GPM_IDS ? S.gpm[id] : NAN;
    }
    return SUCCESS;
}

#endif
