// System libraries are not built with TSan, so it cannot see their locks. Each line hides
// reports with a frame inside the named library.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libgrpc\nrace:libgpr\nrace:libabsl_\nrace:libprotobuf\nrace:librocksdb\n"
         "race:libglog\nmutex:libabsl_\ndeadlock:libabsl_\n";
}
