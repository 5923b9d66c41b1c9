// Rules for passwords and accounts: lock-out, inactivity, age, history, strength, first use; and the options that except a user from them.
#include "fixture.h"

using namespace pilvi;
using namespace pilvi::testing;

namespace {

constexpr Micros second = 1'000'000, day = 86'400 * second;

struct ComplianceFixture : IdentityFixture {
    identity::Compliance& rules = app.options.compliance;

    int log_in_status(const std::string& password, std::string text = {}) {
        const int wanted = text.empty() ? 201 : 401;
        return cases
            .run({.method = "POST", .path = "/v3/auth/tokens", .body = login_body("member", password, "demo"), .status = wanted, .text = text})
            .status;
    }
    // A moment later each time.
    void change(const std::string& from, const std::string& to, int status, std::string text = {}) {
        now += second;
        cases.run({.method = "POST",
                   .path = "/v3/users/${member_user}/password",
                   .body = R"({"user": {"original_password": ")" + from + R"(", "password": ")" + to + R"("}})",
                   .status = status,
                   .text = text});
    }
    void patch(const std::string& members, int status = 200, std::string expect = {}) {
        cases.run({.method = "PATCH",
                   .path = "/v3/users/${member_user}",
                   .token = "${admin_token}",
                   .body = R"({"user": {)" + members + "}}",
                   .status = status,
                   .expect = expect});
    }
};
const std::string refused = "requires authentication";

}  // namespace

TEST_CASE("an account is locked after wrong passwords, for a while") {
    ComplianceFixture f;
    f.rules.lockout_attempts = 2;
    f.rules.lockout_seconds = 60;
    f.log_in_status("wrong", refused);
    f.log_in_status("member");  // a right one in between counts anew
    f.log_in_status("wrong", refused);
    f.log_in_status("wrong", refused);
    f.log_in_status("member", "The account is locked for user: ");
    f.change("member", "fresh", 401, "locked");
    f.now += 61 * second;
    f.log_in_status("member");
    f.log_in_status("wrong", refused);
    f.log_in_status("wrong", refused);
    f.patch(R"("enabled": true)");  // an administrator lifts the lock
    f.log_in_status("member");
    f.patch(R"("options": {"ignore_lockout_failure_attempts": true})");
    for (int i = 0; i < 3; ++i) f.log_in_status("wrong", refused);
    f.log_in_status("member");
    f.patch(R"("options": {"ignore_lockout_failure_attempts": null})");
    f.rules.lockout_seconds = 0;  // for good
    f.log_in_status("wrong", refused);
    f.log_in_status("wrong", refused);
    f.now += 1000 * day;
    f.log_in_status("member", "locked");
}

TEST_CASE("a wrong password for an account that runs free again counts from one") {
    ComplianceFixture f;
    f.rules.lockout_attempts = 2;
    f.rules.lockout_seconds = 60;
    f.log_in_status("wrong", refused);
    f.log_in_status("wrong", refused);
    f.now += 61 * second;
    f.log_in_status("wrong", refused);
    f.log_in_status("member");
}

TEST_CASE("an account that is not used counts as disabled") {
    ComplianceFixture f;
    f.rules.inactive_days = 30;
    f.log_in_status("member");
    f.now += 29 * day;
    f.log_in_status("member");
    f.now += 30 * day;
    f.log_in_status("member", refused);
    f.cases.vars["admin_token"] = "";
    f.rules.inactive_days = 0;  // the administrator's own account would be out, too
    f.cases.vars["admin_token"] = f.log_in("admin", "secret", "admin");
    f.rules.inactive_days = 30;
    f.cases.run({.path = "/v3/users/${member_user}", .token = "${admin_token}", .expect = R"({"user": {"enabled": false}})"});
    f.patch(R"("options": {"ignore_user_inactivity": true})", 200, R"({"user": {"enabled": true}})");
    f.log_in_status("member");
}

TEST_CASE("a password ends, and can still be changed by who knows it") {
    ComplianceFixture f;
    f.rules.expires_days = 10;
    f.patch(R"("password": "one")", 200, R"({"user": {"password_expires_at": "<time>"}})");
    f.log_in_status("one");
    f.cases.run({.path = "/v3/users?password_expires_at=lt:2020-01-01T00:00:00Z", .token = "${admin_token}", .expect = R"({"users": []})"});
    f.cases.run(
        {.path = "/v3/users?password_expires_at=gt:2020-01-01T00:00:00Z", .token = "${admin_token}", .expect = R"({"users": [{"name": "member"}]})"});
    for (const char* bad : {"2020-01-01T00:00:00Z", "like:2020-01-01T00:00:00Z", "lt:yesterday"})
        f.cases.run({.path = "/v3/users?password_expires_at=" + std::string(bad), .token = "${admin_token}", .status = 400});
    f.now += 10 * day;
    f.log_in_status("one", "The password is expired and needs to be changed for user: ");
    f.log_in_status("wrong", refused);
    f.change("one", "two", 204);
    f.log_in_status("two");
    f.now += 10 * day;
    f.log_in_status("two", "expired");
    f.cases.vars["admin_token"] = f.log_in("admin", "secret", "admin");
    f.patch(R"("options": {"ignore_password_expiry": true})");
    f.log_in_status("two");
    f.patch(R"("password": "three")", 200, R"({"user": {"password_expires_at": null}})");
}

TEST_CASE("what an administrator set is changed before its first use") {
    ComplianceFixture f;
    f.rules.change_on_first_use = true;
    f.patch(R"("password": "given")");
    f.log_in_status("given", "expired");
    f.change("given", "own", 204);
    f.log_in_status("own");
    f.patch(R"("options": {"ignore_change_password_upon_first_use": true})");
    f.patch(R"("password": "given")");
    f.log_in_status("given");
}

TEST_CASE("earlier passwords are not chosen again") {
    ComplianceFixture f;
    f.rules.unique_last = 2;
    f.change("member", "one", 204);
    f.change("one", "one", 400, "The new password cannot be identical to a previous password");
    f.change("one", "two", 204);
    f.change("two", "one", 400, "must be unique is 2.");
    f.change("two", "three", 204);
    f.change("three", "one", 204);  // two others since
    f.store->read([&](Tx& tx) { CHECK(tx.scalar("SELECT count(*) FROM password_history").integer() == 2); });
    f.patch(R"("password": "one")");  // an administrator may
}

TEST_CASE("a password that the user chose stays for a while") {
    ComplianceFixture f;
    f.rules.minimum_age_days = 2;
    f.change("member", "one", 204);  // an administrator had set the first
    f.change("one", "two", 400, "it must be used for 2 day(s) before it can be changed");
    f.now += 2 * day;
    f.change("one", "two", 204);
    f.cases.vars["admin_token"] = f.log_in("admin", "secret", "admin");
    f.patch(R"("password": "given")");
    f.change("given", "three", 204);
}

TEST_CASE("a password has to match the regular expression") {
    ComplianceFixture f;
    f.rules.password_regex = R"(^(?=.*\d)(?=.*[a-zA-Z]).{7,}$)";
    f.rules.password_regex_description = "a letter, a digit, seven characters";
    f.rules.pattern = identity::compile_password_regex(f.rules.password_regex);
    f.change("member", "short1", 400, "The password does not match the requirements: a letter, a digit, seven characters.");
    f.change("member", "longenough", 400);
    f.change("member", "longenough1", 204);
    f.patch(R"("password": "nodigits")", 400);
    f.cases.run(
        {.method = "POST", .path = "/v3/users", .token = "${admin_token}", .body = R"({"user": {"name": "n", "password": "weak"}})", .status = 400});
    f.cases.run({.path = "/v3/domains/default/config/security_compliance/password_regex_description",
                 .token = "${member_token}",
                 .status = 401});  // the token went with the password
    f.cases.run({.path = "/v3/domains/default/config/security_compliance/password_regex_description",
                 .token = "${other_token}",
                 .expect = R"({"config": {"password_regex_description": "a letter, a digit, seven characters"}})"});
    CHECK_THROWS_AS(identity::compile_password_regex("(unclosed"), Error);
}

TEST_CASE("a locked password is an administrator's to change") {
    ComplianceFixture f;
    f.patch(R"("options": {"lock_password": true})");
    f.change("member", "mine", 400, "due to password policy disallowing password changes");
    f.patch(R"("password": "theirs")");
    f.log_in_status("theirs");
}
