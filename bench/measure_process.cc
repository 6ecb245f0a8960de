// Runs a program and writes what it cost: CPU and wall seconds, peak memory, exit status; children that it
// waited for are included.
//
//   measure_process COST.json PROGRAM [ARGUMENT…]
//
// A process begins with the peak memory of the one that started it, so a large caller (Python) would hide a
// small program's own peak: this one has about 1 MB.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace {

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

double now_s() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: measure_process COST.json PROGRAM [ARGUMENT…]\n");
    return 2;
  }
  const double start = now_s();
  const pid_t child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    std::perror("measure_process");
    return 1;
  }
  const double wall_s = now_s() - start;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::FILE* out = std::fopen(argv[1], "w");
  if (out == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  std::fprintf(out, "{\"cpu_s\": %.6f, \"wall_s\": %.6f, \"peak_mb\": %.3f}\n",
               seconds(usage.ru_utime) + seconds(usage.ru_stime), wall_s,
               static_cast<double>(usage.ru_maxrss) / 1024);
  return std::fclose(out) == 0 ? code : 1;
}
