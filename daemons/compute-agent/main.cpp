// pilvi-compute-agent: wiring only.
#include "agent.h"
#include "service/service.h"

int main(int argc, char** argv) {
    using namespace pilvi;
    return daemon_main(argc, argv, compute_agent::spec(), compute_agent::run, compute_agent::subcommands());
}
