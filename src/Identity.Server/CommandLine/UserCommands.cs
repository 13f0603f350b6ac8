using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Accounts.Audit;
using Identity.Accounts.Changes;
using Identity.Accounts.Import;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.Options;

namespace Identity.Server.CommandLine;

/// <summary><c>identity users</c>: what administrators do by the API, for whoever sits at the machine.</summary>
internal static class UserCommands
{
    private const int Page = 200;

    private static readonly string[] s_columns = ["ID", "E-MAIL", "USER NAME", "PHONE NUMBER", "ACTIVE", "LOCKED UNTIL", "ROLES"];

    public static Command Make(CommandRun run) => CommandRun.Group(
        "users",
        "List, make, disable and unlock users, give them a new password, or take in a file of them.",
        List(run),
        Create(run),
        Activate(run, "disable", "Keep a user out: every session and token ends at once.", isActive: false),
        Activate(run, "enable", "Let a disabled user in again.", isActive: true),
        Unlock(run),
        ResetPassword(run),
        Import(run));

    private static Argument<string> User() => new("user") { Description = "Id, e-mail address, user name or phone number." };

    private static Command List(CommandRun run)
    {
        var search = new Option<string>("--search") { Description = "A piece of the address, user name, phone number or name." };
        var role = new Option<string>("--role") { Description = "Only who has this role." };
        var active = new Option<bool?>("--active") { Description = "true: only who is active; false: only who is not." };
        var limit = new Option<int>("--limit") { Description = "At most so many.", DefaultValueFactory = _ => int.MaxValue };
        limit.Validators.Add(result =>
        {
            // Read here: asking a validator's result for what is no number throws.
            if (result.Tokens is [var token] && !(int.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1))
            {
                result.AddError("--limit: expected 1 or more.");
            }
        });
        return run.Command("list", "List users, or those that are searched for.", [search, role, active, limit], async (services, parsed, cancellationToken) =>
        {
            if (parsed.GetValue(role) is { } asked && !AccountRules.IsRole(asked))
            {
                throw new RefusedException("--role " + AccountRules.RoleRule + ".");
            }

            var rows = new List<(JsonObject, string[])>();
            var filter = new AccountFilter(parsed.GetValue(search)?.Trim(), parsed.GetValue(role), parsed.GetValue(active));
            Guid? after = null;
            do
            {
                var page = await services.GetRequiredService<AccountAdministration>().ListAsync(filter, after, Math.Min(Page, parsed.GetValue(limit) - rows.Count), cancellationToken);
                rows.AddRange(page.Items.Select(item => (Json(item.Account, item.Metadata), Cells(item.Account))));
                after = page.Next;
            }
            while (after is not null && rows.Count < parsed.GetValue(limit));
            await run.WriteTableAsync(s_columns, rows);
            return IdentityCommands.Done;
        });
    }

    private static Command Create(CommandRun run)
    {
        var email = new Argument<string>("email") { Description = "The address." };
        var userName = new Option<string>("--user-name");
        var phoneNumber = new Option<string>("--phone-number") { Description = "In E.164 form, such as +4915112345678." };
        var firstName = new Option<string>("--first-name");
        var lastName = new Option<string>("--last-name");
        var roles = new Option<string[]>("--role") { Description = "May be given several times; each must exist.", DefaultValueFactory = _ => [] };
        var verified = new Option<bool>("--verified") { Description = "The address is known to be the person's." };
        var noPassword = new Option<bool>("--no-password") { Description = "The person asks for a code to set one." };
        var passwordIn = PasswordIn();
        var command = run.Command("create", "Make a user. A password is made up and shown once, unless one is given or none is wanted.", [email, userName, phoneNumber, firstName, lastName, roles, verified, noPassword, passwordIn], async (services, parsed, cancellationToken) =>
        {
            var rules = services.GetRequiredService<AccountRules>();
            var problems = new List<string>();
            string? Read(string name, string? text, Func<string?, string?> normal, string rule)
            {
                var value = text is null ? null : normal(text);
                if (text is not null && value is null)
                {
                    problems.Add($"{name} {rule}");
                }

                return value;
            }

            var address = Read("email", parsed.GetValue(email), AccountRules.Email, AccountRules.EmailRule);
            var account = new NewAccount(
                address ?? "",
                "",
                Read("--user-name", parsed.GetValue(userName), AccountRules.UserName, AccountRules.UserNameRule),
                Read("--phone-number", parsed.GetValue(phoneNumber), rules.PhoneNumber, AccountRules.PhoneNumberRule),
                Read("--first-name", parsed.GetValue(firstName), AccountRules.PersonName, AccountRules.PersonNameRule),
                Read("--last-name", parsed.GetValue(lastName), AccountRules.PersonName, AccountRules.PersonNameRule));
            if (problems.Count > 0)
            {
                throw new RefusedException(string.Join("; ", problems) + ".");
            }

            var (password, isMadeUp) = parsed.GetValue(noPassword) ? ("", false) : await PasswordAsync(run, services, parsed.GetValue(passwordIn), cancellationToken);
            var user = new NewUser(account with { Password = password }, PasswordHash: null, parsed.GetValue(verified), PhoneNumberVerified: false, IsActive: true, parsed.GetValue(roles)!);
            var made = await services.GetRequiredService<AccountAdministration>().CreateAsync(user, CommandRun.Operator, cancellationToken) switch
            {
                UserCreation.Created created => created.Account,
                UserCreation.Taken taken => throw new RefusedException($"The {Member(taken.Member)} is another user's."),
                UserCreation.PasswordRefused refused => throw new RefusedException(string.Join("; ", refused.Problems.Select(problem => "password " + problem)) + "."),
                UserCreation.UnknownRole => throw new RefusedException("--role: " + AccountRules.RolesExistRule + "."),
                _ => throw new InvalidOperationException("An unknown result."),
            };
            var json = Json(made, []);
            await WriteAsync(run, json, $"Made {made.Email}, id {made.Id:D}", isMadeUp ? password : null);
            return IdentityCommands.Done;
        });
        command.Validators.Add(result =>
        {
            if (IsOn(result, noPassword) && IsOn(result, passwordIn))
            {
                result.AddError("--no-password and --password-stdin exclude each other.");
            }
        });
        return command;
    }

    private static Command Activate(CommandRun run, string name, string description, bool isActive)
    {
        var user = User();
        return run.Command(name, description, [user], async (services, parsed, cancellationToken) =>
        {
            var account = await FindAsync(services, parsed.GetValue(user)!, cancellationToken);
            var changed = await services.GetRequiredService<AccountChangeService>().ChangeAsync(account.Id, new AccountChange { IsActive = isActive }, expectedVersion: null, CommandRun.Operator, cancellationToken) switch
            {
                AccountChangeResult.Changed done => done,
                AccountChangeResult.LastAdmin => throw new RefusedException("This is the last active administrator: make another one first."),
                AccountChangeResult.NotFound => throw NoUser(),
                var other => throw new InvalidOperationException($"An unknown result: {other.GetType().Name}."),
            };
            await run.WriteAsync(Json(changed.Account, changed.Metadata), $"{(isActive ? "Enabled" : "Disabled")} {changed.Account.Email}");
            return IdentityCommands.Done;
        });
    }

    private static Command Unlock(CommandRun run)
    {
        var user = User();
        return run.Command("unlock", "End the lock that too many wrong passwords or codes led to.", [user], async (services, parsed, cancellationToken) =>
        {
            var account = await FindAsync(services, parsed.GetValue(user)!, cancellationToken);
            if (!await services.GetRequiredService<AccountAdministration>().UnlockAsync(account.Id, CommandRun.Operator, cancellationToken))
            {
                throw NoUser();
            }

            await run.WriteAsync(new JsonObject { ["id"] = account.Id.ToString("D"), ["unlocked"] = true }, $"Unlocked {account.Email}");
            return IdentityCommands.Done;
        });
    }

    private static Command ResetPassword(CommandRun run)
    {
        var user = User();
        var passwordIn = PasswordIn();
        var mail = new Option<bool>("--mail") { Description = "Leave the password as it is and send the person a code to set another." };
        var command = run.Command("reset-password", "Give a user another password: made up and shown once, or read. Every session ends and the person is told by mail.", [user, passwordIn, mail], async (services, parsed, cancellationToken) =>
        {
            var account = await FindAsync(services, parsed.GetValue(user)!, cancellationToken);
            var passwords = services.GetRequiredService<PasswordService>();
            if (parsed.GetValue(mail))
            {
                if (!account.IsActive)
                {
                    throw new RefusedException("The user is disabled and gets no code: enable them first.");
                }

                if (await passwords.ForgotAsync(account.Email, CommandRun.Operator, cancellationToken) is { } wait)
                {
                    throw new RefusedException($"Too many codes were asked for; try again in {Math.Ceiling(wait.TotalSeconds):0} s.");
                }

                await run.WriteAsync(new JsonObject { ["id"] = account.Id.ToString("D"), ["mailed"] = true }, $"A code to set another password goes to {account.Email}");
                return IdentityCommands.Done;
            }

            var (password, isMadeUp) = await PasswordAsync(run, services, parsed.GetValue(passwordIn), cancellationToken);
            switch (await passwords.SetAsync(account.Id, password, CommandRun.Operator, cancellationToken))
            {
                case null:
                    throw NoUser();
                case PasswordChange.Refused refused:
                    throw new RefusedException(string.Join("; ", refused.Problems.Select(problem => "password " + problem)) + ".");
                case PasswordChange.Changed:
                    await WriteAsync(run, new JsonObject { ["id"] = account.Id.ToString("D"), ["changed"] = true }, $"{account.Email} has another password, and every session has ended", isMadeUp ? password : null);
                    return IdentityCommands.Done;
                default:
                    throw new InvalidOperationException("An unknown result.");
            }
        });
        command.Validators.Add(result =>
        {
            if (IsOn(result, mail) && IsOn(result, passwordIn))
            {
                result.AddError("--mail and --password-stdin exclude each other.");
            }
        });
        return command;
    }

    private static Command Import(CommandRun run)
    {
        var file = new Argument<string>("file") { Description = "JSON lines, or comma-separated values where its name ends in .csv." };
        var mapping = new Option<string>("--mapping") { Description = "A file with a JSON object of column to member, for comma-separated values." };
        return run.Command("import", "Take in a file of users; who is there already stays as they are, so it may be run again.", [file, mapping], async (services, parsed, cancellationToken) =>
        {
            var (refusals, created, outcome) = (new List<ImportRefusal>(), 0L, "stopped");
            UserFileResult result;
            try
            {
                result = await run.WatchAsync("Users", total: null, progress => services.GetRequiredService<UserFileImport>().RunAsync(
                    parsed.GetValue(file)!,
                    parsed.GetValue(mapping),
                    refusals.Add,
                    new Reports(total =>
                    {
                        created = total.Created;
                        progress(total.Lines);
                    }),
                    cancellationToken));
                outcome = "success";
            }
            finally
            {
                // Batches that were taken in stay, however this ends.
                if (created > 0)
                {
                    await services.GetRequiredService<AuditTrail>().WriteAsync("import", outcome, accountId: null, CommandRun.Operator, sessionId: null, CancellationToken.None);
                }
            }

            var done = result switch
            {
                UserFileResult.Done { Total: var total } => total,
                UserFileResult.Unreadable unreadable => throw new RefusedException(unreadable.Problem),
                _ => throw new InvalidOperationException("An unknown result."),
            };
            foreach (var refusal in refusals)
            {
                await run.Error.WriteLineAsync($"line {refusal.Line}: {string.Join("; ", refusal.Reasons)}");
            }

            await run.WriteAsync(
                new JsonObject
                {
                    ["lines"] = done.Lines,
                    ["created"] = done.Created,
                    ["existing"] = done.Existing,
                    ["refused"] = done.Refused,
                    ["refusals"] = new JsonArray([.. refusals.Select(refusal => new JsonObject { ["line"] = refusal.Line, ["reasons"] = new JsonArray([.. refusal.Reasons.Select(reason => JsonValue.Create(reason))]) })]),
                },
                $"{done.Lines} lines: {done.Created} made, {done.Existing} there already, {done.Refused} refused");
            return done.Refused == 0 ? IdentityCommands.Done : IdentityCommands.Failed;
        });
    }

    // Here, and not on another thread as Progress<T> has it.
    private sealed class Reports(Action<ImportProgress> report) : IProgress<ImportProgress>
    {
        public void Report(ImportProgress value) => report(value);
    }

    // Of a word that is neither true nor false the parser tells by itself; asking for its value throws.
    private static bool IsOn(CommandResult result, Option<bool> option) =>
        result.GetResult(option) is { Implicit: false } given && (given.Tokens.Count == 0 || (bool.TryParse(given.Tokens[0].Value, out var isOn) && isOn));

    private static Option<bool> PasswordIn() => new("--password-stdin") { Description = "Read the password from standard input, one line." };

    private static async Task<(string Password, bool IsMadeUp)> PasswordAsync(CommandRun run, IServiceProvider services, bool isRead, CancellationToken cancellationToken) => isRead
        ? (await run.ReadLineAsync(cancellationToken), false)
        : (RandomNumberGenerator.GetString("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789", Math.Max(20, services.GetRequiredService<IOptions<AccountsOptions>>().Value.MinimumPasswordLength)), true);

    private static Task WriteAsync(CommandRun run, JsonObject json, string text, string? madeUp)
    {
        if (madeUp is null)
        {
            return run.WriteAsync(json, text);
        }

        json["password"] = madeUp;
        return run.WriteAsync(json, $"{text}\nPassword {madeUp}   (shown this once)");
    }

    private static async Task<Account> FindAsync(IServiceProvider services, string user, CancellationToken cancellationToken) =>
        (Guid.TryParseExact(user, "D", out var id)
            ? await services.GetRequiredService<IAccountStore>().FindAsync(id, cancellationToken)
            : await services.GetRequiredService<AccountLookup>().FindAsync(LoginKind.Any, user, cancellationToken)) ?? throw NoUser();

    private static RefusedException NoUser() => new("There is no such user.");

    private static string Member(AccountWrite member) => member switch
    {
        AccountWrite.EmailTaken => "e-mail address",
        AccountWrite.UserNameTaken => "user name",
        _ => "phone number",
    };

    private static JsonObject Json(Account account, JsonObject metadata) => new()
    {
        ["id"] = account.Id.ToString("D"),
        ["email"] = account.Email,
        ["userName"] = account.UserName,
        ["phoneNumber"] = account.PhoneNumber,
        ["firstName"] = account.FirstName,
        ["lastName"] = account.LastName,
        ["emailVerified"] = account.EmailVerified,
        ["phoneNumberVerified"] = account.PhoneNumberVerified,
        ["isActive"] = account.IsActive,
        ["lockedUntil"] = account.LockoutEnd,
        ["roles"] = new JsonArray([.. account.Roles.Select(role => JsonValue.Create(role))]),
        ["metadata"] = metadata.DeepClone(),
        ["createdAt"] = account.CreatedAt,
        ["updatedAt"] = account.UpdatedAt,
        ["lastLoginAt"] = account.LastLoginAt,
    };

    private static string[] Cells(Account account) =>
    [
        account.Id.ToString("D"),
        account.Email,
        account.UserName ?? "",
        account.PhoneNumber ?? "",
        account.IsActive ? "yes" : "no",
        account.LockoutEnd?.ToString("u") ?? "",
        string.Join(", ", account.Roles),
    ];
}
