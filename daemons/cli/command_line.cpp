// What pilvi understands: every command with its options.
#include "command_line.h"

#include "node_line.h"
#include "service/service.h"
#include "service/subcommands.h"

namespace pilvi::cli {

namespace {

void add_try(CLI::App& app, CommandLine& line) {
    CLI::App* command = app.add_subcommand("try", "A whole cloud in a process group, without root: the APIs are real, servers only seem to run");
    // Taken from the line before it is parsed: what follows may look like options.
    command
        ->add_option("--exec", line.trial.command,
                     "Run this command with OS_CLIENT_CONFIG_FILE and OS_CLOUD set, then end; takes the rest of the line")
        ->type_name("COMMAND");
    command->add_option("--directory", line.trial.directory, "Keep the state here and use it again (a temporary directory otherwise)");
    command->add_option("--agents", line.trial.compute_agents, "Compute nodes")->check(CLI::Range(1, 1000));
    command->add_option("--set", line.trial.settings, "A daemon's setting; may be repeated")->type_name("DAEMON:KEY=VALUE")->allow_extra_args(false);
    command->add_flag("--keep", line.trial.keep, "Leave the temporary directory");
    command->add_flag("!--empty", line.trial.seed, "Without flavors, image and external network");
    command->callback([&line] { line.run = [](CommandLine& l) { return try_cloud(l.trial); }; });
}

void add_status(CLI::App& app, CommandLine& line) {
    CLI::App* command = app.add_subcommand("status", "The daemons of this node, its APIs and agents");
    CLI::Option* wait = command->add_option("--wait", line.wait_seconds, "Until all is ready, at most so many seconds (300 without a number)")
                            ->expected(0, 1)
                            ->default_str("300");
    command->add_flag("--json", line.status.json, "As JSON");
    command->add_flag("--local", line.status.local, "Only what runs on this node");
    command->callback([&line, wait] {
        if (wait->count() > 0) line.status.wait = std::chrono::seconds(line.wait_seconds.value_or(300));
        line.run = [](CommandLine& l) { return status(l.access, l.status); };
    });
}

void add_doctor(CLI::App& app, CommandLine& line) {
    CLI::App* command = app.add_subcommand("doctor", "Looks for what is wrong on this node, and for what belongs to nothing any more");
    command->add_flag("--json", line.doctor.json, "As JSON");
    command->callback([&line] { line.run = [](CommandLine& l) { return doctor(l.access, l.doctor); }; });
}

// A subcommand that the daemon itself has: `pilvi policy check identity ARGUMENT...` runs pilvi-identity policy-check ARGUMENT...
void hand_over(CLI::App* command, CommandLine& line, const Usage& usage, const std::string& daemon) {
    if (daemon.empty())
        command->add_option("SERVICE", line.daemon, "The service that it is about")
            ->required()
            ->check(CLI::IsMember({"identity", "image", "placement", "compute", "network"}));
    declare(*command, usage.arguments);
    command->callback([&line, command, usage, daemon] {
        if (!daemon.empty()) line.daemon = daemon;
        line.daemon_arguments = arguments_of(*command, usage.arguments).words();
        line.daemon_arguments.insert(line.daemon_arguments.begin(), std::string(usage.name));
        line.run = [](CommandLine& l) { return daemon_command(l.daemon, l.daemon_arguments); };
    });
}

void add_identity(CLI::App& app, CommandLine& line) {
    CLI::App* identity = app.add_subcommand("identity", "The identity service")->require_subcommand(1);
    const auto add = [identity](const Usage& usage) { return identity->add_subcommand(std::string(usage.name), std::string(usage.help)); };
    CLI::App* command = add(subcommands::bootstrap);
    declare(*command, subcommands::bootstrap.arguments);
    command->callback([&line, command] {
        line.daemon_arguments = arguments_of(*command, subcommands::bootstrap.arguments).words();
        line.run = [](CommandLine& l) { return identity_bootstrap(l.access, l.daemon_arguments); };
    });
    for (const Usage& usage : subcommands::identity_keys)
        add(usage)->callback([&line, &usage] {
            line.identity_command = usage.name;
            line.run = [](CommandLine& l) { return identity_command(l.identity_command); };
        });
    CLI::App* mapping = identity->add_subcommand("mapping", "Mappings of federated users")->require_subcommand(1);
    hand_over(mapping->add_subcommand("test", std::string(subcommands::mapping_test.help)), line, subcommands::mapping_test, "identity");
}

void add_policy(CLI::App& app, CommandLine& line) {
    CLI::App* policy = app.add_subcommand("policy", "Who may do what")->require_subcommand(1);
    hand_over(policy->add_subcommand("check", std::string(subcommands::policy_check.help)), line, subcommands::policy_check, "");
    hand_over(policy->add_subcommand("list", std::string(subcommands::policy_list.help)), line, subcommands::policy_list, "");
}

void add_image(CLI::App& app, CommandLine& line) {
    CLI::App* image = app.add_subcommand("image", "The image service")->require_subcommand(1);
    CLI::App* metadefs = image->add_subcommand("metadefs", "Metadata definitions")->require_subcommand(1);
    CLI::App* command = metadefs->add_subcommand("load", "Loads namespaces from JSON files; one that is there stays as it is");
    command->add_option("PLACE", line.metadefs.place, "Directory of *.json files, or one file")->required();
    command->add_flag("--overwrite", line.metadefs.overwrite, "Replace namespaces that are there");
    command->callback([&line] { line.run = [](CommandLine& l) { return load_metadefs(l.access, l.metadefs); }; });
}

}  // namespace

void declare_commands(CLI::App& app, CommandLine& line) {
    app.set_version_flag("--version", "pilvi " + std::string(pilvi::version()));
    app.set_help_all_flag("--help-all", "Print the help of every command and exit");
    app.add_option("--auth-url", line.access.auth_url, "The identity API")->envname("PILVI_AUTH_URL");
    app.add_option("--credentials", line.access.credentials, "Directory of the node's credentials")->envname("PILVI_CREDENTIALS");
    app.add_option("--state", line.access.state, "Directory of the node's state")->envname("PILVI_STATE_DIRECTORY");
    app.add_option("--configuration", line.access.configuration, "Directory of the node's configuration")->envname("PILVI_CONFIGURATION");
    app.add_option("--cluster-socket", line.access.cluster_socket, "Where pilvi-cluster hears the operator")->envname("PILVI_CLUSTER_SOCKET");
    app.require_subcommand(1);
    add_status(app, line);
    add_doctor(app, line);
    add_try(app, line);
    add_identity(app, line);
    add_image(app, line);
    add_policy(app, line);
    add_node_commands(app, line.access, line.node_command);
    app.add_subcommand("setup", "Makes the credentials of this node where they are missing")->callback([&line] {
        line.run = [](CommandLine&) { return setup(); };
    });
    app.add_subcommand("completion", "Prints the completion of this command for a shell")
        ->add_option("SHELL", line.shell, "bash or zsh")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}));
}

}  // namespace pilvi::cli
