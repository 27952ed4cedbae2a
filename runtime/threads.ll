; The thread pool: one for a process, shared by all that is loaded into it.
;
;   void graphc.parallel(void (*task)(ptr context, i64 number, i64 tasks), ptr context, i64 tasks)
;
; runs task(context, 0, tasks) to task(context, tasks - 1, tasks) and returns when all are done. It
; calls pthreads and nothing else. Workers look for work for a while, then sleep. Whoever finds the
; pool taken, be it another thread or a task, runs its tasks alone, so nobody ever waits for
; somebody else's work. Tasks compute in the floating point mode of the caller, whoever runs them. A
; child of fork() finds a pool without workers and starts its own.
;
; {set_mask} stands for the value of SIG_SETMASK. Functions that differ from system to system and from
; processor to processor are added behind: graphc.pool.watch_fork, which has graphc.pool.forget called
; in the child of a fork; graphc.pool.pause, which eases it while it spins, and graphc.pool.mode and
; graphc.pool.set_mode, which read and write how it rounds and what it does with subnormal numbers.

; The job that is open: its number in the upper half, how many of its tasks nobody has taken in the
; lower. Whoever lowers it has taken a task. It is above 0 only while the fields of the job stand:
; who took a task has read them as they are for it.
@graphc.pool.open = internal global i64 0, align 64
@graphc.pool.task = internal global ptr null
@graphc.pool.context = internal global ptr null
@graphc.pool.tasks = internal global i64 0
@graphc.pool.caller_mode = internal global i64 0
@graphc.pool.unfinished = internal global i64 0, align 64
@graphc.pool.taken = internal global i32 0, align 64
@graphc.pool.sleeping = internal global i64 0, align 64
@graphc.pool.workers = internal global i64 0, align 64
@graphc.pool.most_workers = internal global i64 1048576
@graphc.pool.ready = internal global i1 false
@graphc.pool.watches_fork = internal global i1 false
; More room than any platform's pthread_mutex_t and pthread_cond_t take.
@graphc.pool.mutex = internal global [128 x i8] zeroinitializer, align 64
@graphc.pool.woken = internal global [128 x i8] zeroinitializer, align 64

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @sched_yield()

define void @graphc.parallel(ptr %task, ptr %context, i64 %tasks) {
entry:
  %answer = cmpxchg ptr @graphc.pool.taken, i32 0, i32 1 acquire monotonic
  %ours = extractvalue { i32, i1 } %answer, 1
  br i1 %ours, label %publish, label %alone
publish:
  %others = sub i64 %tasks, 1
  call void @graphc.pool.grow(i64 %others)
  store atomic ptr %task, ptr @graphc.pool.task monotonic, align 8
  store atomic ptr %context, ptr @graphc.pool.context monotonic, align 8
  store atomic i64 %tasks, ptr @graphc.pool.tasks monotonic, align 8
  %mode = call i64 @graphc.pool.mode()
  store atomic i64 %mode, ptr @graphc.pool.caller_mode monotonic, align 8
  store atomic i64 %tasks, ptr @graphc.pool.unfinished monotonic, align 8
  %last = load atomic i64, ptr @graphc.pool.open monotonic, align 8
  %number = add i64 %last, 4294967296
  %open = add i64 %number, %tasks
  ; This store and the load after it, against those of a worker about to sleep: one of the two sees
  ; what the other wrote.
  store atomic i64 %open, ptr @graphc.pool.open seq_cst, align 8
  %sleeping = load atomic i64, ptr @graphc.pool.sleeping seq_cst, align 8
  %nobody = icmp eq i64 %sleeping, 0
  br i1 %nobody, label %join, label %wake
wake:
  call i32 @pthread_mutex_lock(ptr @graphc.pool.mutex)
  call i32 @pthread_cond_broadcast(ptr @graphc.pool.woken)
  call i32 @pthread_mutex_unlock(ptr @graphc.pool.mutex)
  br label %join
join:
  call void @graphc.pool.work()
  br label %wait
wait:
  %round = phi i64 [ 0, %join ], [ %next.round, %spin ], [ %round, %yield ]
  %unfinished = load atomic i64, ptr @graphc.pool.unfinished acquire, align 8
  %done = icmp eq i64 %unfinished, 0
  br i1 %done, label %finished, label %unready
unready:
  ; Its worker may be waiting for a core: after a while, leave it this one.
  %patient = icmp ult i64 %round, 1000
  br i1 %patient, label %spin, label %yield
spin:
  call void @graphc.pool.pause()
  %next.round = add i64 %round, 1
  br label %wait
yield:
  call i32 @sched_yield()
  br label %wait
finished:
  store atomic i32 0, ptr @graphc.pool.taken release, align 4
  ret void
alone:
  %i = phi i64 [ 0, %entry ], [ %i.next, %alone ]
  call void %task(ptr %context, i64 %i, i64 %tasks)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, %tasks
  br i1 %more, label %alone, label %ended
ended:
  ret void
}

; Take tasks of the open job and run them until there are none.
define internal void @graphc.pool.work() {
entry:
  br label %look
look:
  %open = load atomic i64, ptr @graphc.pool.open acquire, align 8
  %left = and i64 %open, 4294967295
  %none = icmp eq i64 %left, 0
  br i1 %none, label %done, label %try
try:
  %task = load atomic ptr, ptr @graphc.pool.task monotonic, align 8
  %context = load atomic ptr, ptr @graphc.pool.context monotonic, align 8
  %tasks = load atomic i64, ptr @graphc.pool.tasks monotonic, align 8
  %mode = load atomic i64, ptr @graphc.pool.caller_mode monotonic, align 8
  %fewer = sub i64 %open, 1
  %answer = cmpxchg ptr @graphc.pool.open, i64 %open, i64 %fewer acq_rel monotonic
  %ours = extractvalue { i64, i1 } %answer, 1
  br i1 %ours, label %run, label %look
run:
  %number = sub i64 %tasks, %left
  call void @graphc.pool.set_mode(i64 %mode)
  call void %task(ptr %context, i64 %number, i64 %tasks)
  %before = atomicrmw sub ptr @graphc.pool.unfinished, i64 1 acq_rel
  br label %look
done:
  ret void
}

; What a worker does, for ever. Signals are left to the threads of the program.
define internal ptr @graphc.pool.worker(ptr %unused) {
entry:
  %signals = alloca [128 x i8], align 16
  call i32 @sigfillset(ptr %signals)
  call i32 @pthread_sigmask(i32 {set_mask}, ptr %signals, ptr null)
  br label %look
look:
  %round = phi i64 [ 0, %entry ], [ %next.round, %spin ], [ 0, %work ], [ 0, %awake ]
  %open = load atomic i64, ptr @graphc.pool.open acquire, align 8
  %left = and i64 %open, 4294967295
  %idle = icmp eq i64 %left, 0
  br i1 %idle, label %unready, label %work
work:
  call void @graphc.pool.work()
  br label %look
unready:
  %patient = icmp ult i64 %round, 2000
  br i1 %patient, label %spin, label %sleep
spin:
  call void @graphc.pool.pause()
  %next.round = add i64 %round, 1
  br label %look
sleep:
  call i32 @pthread_mutex_lock(ptr @graphc.pool.mutex)
  %more = atomicrmw add ptr @graphc.pool.sleeping, i64 1 seq_cst
  br label %check
check:
  %still.open = load atomic i64, ptr @graphc.pool.open seq_cst, align 8
  %still.left = and i64 %still.open, 4294967295
  %still.idle = icmp eq i64 %still.left, 0
  br i1 %still.idle, label %doze, label %awake
doze:
  call i32 @pthread_cond_wait(ptr @graphc.pool.woken, ptr @graphc.pool.mutex)
  br label %check
awake:
  %fewer = atomicrmw sub ptr @graphc.pool.sleeping, i64 1 seq_cst
  call i32 @pthread_mutex_unlock(ptr @graphc.pool.mutex)
  br label %look
}

; Have as many workers, or as many as the system allows. Called by who has taken the pool.
define internal void @graphc.pool.grow(i64 %wanted) {
entry:
  %thread = alloca ptr, align 8
  %first = load i64, ptr @graphc.pool.workers
  %most = load i64, ptr @graphc.pool.most_workers
  %scarce = icmp ult i64 %most, %wanted
  %goal = select i1 %scarce, i64 %most, i64 %wanted
  %enough = icmp uge i64 %first, %goal
  br i1 %enough, label %done, label %prepare
prepare:
  %ready = load i1, ptr @graphc.pool.ready
  br i1 %ready, label %start, label %initialise
initialise:
  call i32 @pthread_mutex_init(ptr @graphc.pool.mutex, ptr null)
  call i32 @pthread_cond_init(ptr @graphc.pool.woken, ptr null)
  store i1 true, ptr @graphc.pool.ready
  %watches = load i1, ptr @graphc.pool.watches_fork
  br i1 %watches, label %start, label %watch
watch:
  store i1 true, ptr @graphc.pool.watches_fork
  call void @graphc.pool.watch_fork()
  br label %start
start:
  %workers = load i64, ptr @graphc.pool.workers
  %complete = icmp uge i64 %workers, %goal
  br i1 %complete, label %done, label %create
create:
  %status = call i32 @pthread_create(ptr %thread, ptr null, ptr @graphc.pool.worker, ptr null)
  %created = icmp eq i32 %status, 0
  br i1 %created, label %count, label %refused
count:
  %handle = load ptr, ptr %thread
  call i32 @pthread_detach(ptr %handle)
  %more = add i64 %workers, 1
  store i64 %more, ptr @graphc.pool.workers
  br label %start
refused:
  store i64 %workers, ptr @graphc.pool.most_workers
  br label %done
done:
  ret void
}

; In the child of a fork there is one thread, and it is none of the pool's.
define internal void @graphc.pool.forget() {
entry:
  %open = load i64, ptr @graphc.pool.open
  %closed = and i64 %open, -4294967296
  store i64 %closed, ptr @graphc.pool.open
  store i64 0, ptr @graphc.pool.unfinished
  store i64 0, ptr @graphc.pool.sleeping
  store i64 0, ptr @graphc.pool.workers
  store i64 1048576, ptr @graphc.pool.most_workers
  store i1 false, ptr @graphc.pool.ready
  store i32 0, ptr @graphc.pool.taken
  ret void
}
