#include "commands.h"

#include <cstdio>

#include "app.h"
#include "base/text.h"
#include "bootstrap.h"
#include "service/subcommands.h"

namespace pilvi::identity {

namespace {

int say(bool made, const std::string& directory, std::size_t keys) {
    std::printf("%s%zu keys in %s\n", made ? "made a key repository: " : "", keys, directory.c_str());
    return 0;
}

int fernet_setup(const Config& config, const Arguments&) {
    const std::string directory = config.text("fernet.directory");
    const KeyRepository repository(directory);
    const bool made = repository.initialize();
    return say(made, directory, repository.load().size());
}

int fernet_rotate(const Config& config, const Arguments&) {
    const std::string directory = config.text("fernet.directory");
    const KeyRepository repository(directory);
    const bool made = repository.initialize();
    if (!made) repository.rotate(static_cast<int>(config.integer("fernet.max_active_keys")));
    return say(made, directory, repository.load().size());
}

int jws_setup(const Config& config, const Arguments&) {
    const std::string directory = config.text("jws.directory");
    const JwsRepository repository(directory);
    const bool made = repository.initialize();
    return say(made, directory, repository.load().verifying.size());
}

int jws_rotate(const Config& config, const Arguments&) {
    const std::string directory = config.text("jws.directory");
    const JwsRepository repository(directory);
    const bool made = repository.initialize();
    if (!made) repository.rotate(static_cast<int>(config.integer("jws.max_active_keys")));
    return say(made, directory, repository.load().verifying.size());
}

int credential_setup(const Config& config, const Arguments&) {
    const std::string directory = credential_directory(config);
    const KeyRepository repository(directory);
    const bool made = repository.initialize();
    return say(made, directory, repository.load().size());
}

// Columns that are sealed, and what names a row.
struct Sealed {
    std::string_view table, column, condition;
    std::vector<std::string> key;
};
const Sealed sealed_columns[] = {
    {"credentials", "blob", "1 = 1", {"id"}},
    {"oauth_consumers", "secret", "1 = 1", {"id"}},
    {"oauth_request_tokens", "secret", "1 = 1", {"id"}},
    {"oauth_access_tokens", "secret", "1 = 1", {"id"}},
    {"domain_options", "value", "sensitive = 1", {"domain_id", "group_name", "option_name"}},
};

// Seals everything with the primary key, in one transaction.
std::size_t seal_anew(Store& store, const std::vector<FernetKey>& keys) {
    std::size_t count = 0;
    const std::int64_t now = now_micros() / 1'000'000;
    store.write([&](Tx& tx) {
        count = 0;
        for (const Sealed& sealed : sealed_columns) {
            const std::string table(sealed.table), column(sealed.column), condition(sealed.condition);
            for (const Row& row : tx.query("SELECT " + column + ", " + join(sealed.key, ", ") + " FROM " + table + " WHERE " + condition)) {
                const auto opened = fernet_open(keys, row.at(0).text(), 262'144);
                if (!opened)
                    throw Error(Errc::internal,
                                table + " " + row.at(1).text() + " is sealed with a key that is not in the repository; nothing was changed");
                Values values{fernet_seal(keys.front(), now, opened->text)};
                for (std::size_t i = 0; i < sealed.key.size(); ++i) values.push_back(row.at(i + 1));
                tx.exec("UPDATE " + table + " SET " + column + " = ? WHERE " + join(sealed.key, " = ? AND ") + " = ?", values);
                ++count;
            }
        }
    });
    return count;
}

int credential_migrate(const Config& config, const Arguments&) {
    const std::string directory = credential_directory(config);
    std::printf("%zu secrets sealed with the primary key of %s\n", seal_anew(*open_store(config), KeyRepository(directory).load()),
                directory.c_str());
    return 0;
}

// Old keys go last, when nothing needs them: ended anywhere before, every secret can still be opened.
int credential_rotate(const Config& config, const Arguments&) {
    const std::string directory = credential_directory(config);
    const KeyRepository repository(directory);
    repository.initialize();
    const auto store = open_store(config);
    seal_anew(*store, repository.load());  // throws where a key is missing already
    constexpr int all = 1'000'000;
    repository.rotate(all);
    const std::size_t count = seal_anew(*store, repository.load());
    repository.prune(3);
    std::printf("%zu secrets sealed with a new primary key; %zu keys in %s\n", count, repository.load().size(), directory.c_str());
    return 0;
}

int token_flush(const Config&, const Arguments&) {
    std::printf(
        "Nothing to do: tokens are not stored. They carry what they say, sealed or signed; what is kept is a list of those that were revoked before\n"
        "their end and the record of revocations, and both drop what has ended by themselves.\n");
    return 0;
}

}  // namespace

std::vector<Subcommand> commands() {
    return {{subcommands::bootstrap, &run_bootstrap},
            {subcommands::fernet_setup, &fernet_setup},
            {subcommands::fernet_rotate, &fernet_rotate},
            {subcommands::jws_setup, &jws_setup},
            {subcommands::jws_rotate, &jws_rotate},
            {subcommands::credential_setup, &credential_setup},
            {subcommands::credential_migrate, &credential_migrate},
            {subcommands::credential_rotate, &credential_rotate},
            {subcommands::token_flush, &token_flush}};
}

}  // namespace pilvi::identity
