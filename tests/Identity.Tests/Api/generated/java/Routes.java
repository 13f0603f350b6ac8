// A Java client that OpenAPI Generator made of the document signs somebody in, reads and changes them, and is refused.
// Environment: BASE_URL, ADMIN_EMAIL, ADMIN_PASSWORD. What does not hold is printed, and the exit code is 1.
import com.fasterxml.jackson.databind.DeserializationFeature;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.*;
import org.openapitools.client.model.*;

public class Routes {
    static int failures;

    public static void main(String[] args) throws Exception {
        String email = "java-" + UUID.randomUUID() + "@example.com";
        String password = "a sound pass phrase 7";
        ApiClient anybody = client(null);
        ServiceResponse service = new ServiceApi(anybody).getService();
        check(service.getOpenApi().endsWith("/openapi/v1.json"), "the service points to its document");

        AccountsApi accounts = new AccountsApi(anybody);
        RegisterRequest registration = new RegisterRequest().email(email).password(password).firstName("Ada").metadata(Map.of("newsletter", true));
        ApiResponse<UserResponse> registered = accounts.registerWithHttpInfo(registration, null);
        check(registered.getStatusCode() == 201 && registered.getHeaders().containsKey("location"), "201 says where");
        UUID id = registered.getData().getId();
        check("email_taken".equals(refusal(409, () -> accounts.register(registration, null)).getErrorCode()), "an address is taken once");
        check(refusal(400, () -> accounts.register(new RegisterRequest().email("nobody").password("x"), null)).getMessage() instanceof List, "what does not validate is told by problem");

        SignInApi signIn = new SignInApi(anybody);
        check("invalid_credentials".equals(refusal(401, () -> signIn.login(new LoginRequest().email(email).password("wrong"))).getErrorCode()), "a wrong password is refused");
        TokensResponse tokens = signIn.login(new LoginRequest().email(email).password(password));
        check(tokens.getExpiresIn() == 3600, "expiresIn is a number");
        tokens = signIn.refreshToken(new RefreshTokenRequest().refreshToken(tokens.getRefreshToken()));

        UsersApi users = new UsersApi(client(tokens.getAccessToken()));
        ApiResponse<UserResponse> me = users.getMeWithHttpInfo();
        check(me.getData().getId().equals(id) && me.getData().getEmail().equals(email), "users/me is who signed in");
        check(me.getData().getLastName() == null && me.getData().getCreatedAt().getYear() > 2020, "what is null and what is a time is read");
        String version = me.getHeaders().get("etag").get(0);
        UserResponse changed = users.updateUser(id, new UpdateUserRequest().lastName("Lovelace").metadata(Map.of("theme", "dark")), version);
        check("Lovelace".equals(changed.getLastName()) && "dark".equals(changed.getMetadata().get("theme")), "a change is answered");
        check("precondition_failed".equals(refusal(412, () -> users.updateUser(id, new UpdateUserRequest().lastName("Byron"), version)).getErrorCode()), "an older version is refused");
        check("unauthorized".equals(refusal(401, () -> new UsersApi(anybody).getMe()).getErrorCode()), "nobody is asked for a token");

        String adminToken = signIn.login(new LoginRequest().email(System.getenv("ADMIN_EMAIL")).password(System.getenv("ADMIN_PASSWORD"))).getAccessToken();
        AdministrationApi administration = new AdministrationApi(client(adminToken));
        administration.putRole("java", new PutRoleRequest().description("Tries"));
        check(administration.listRoles().getItems().stream().anyMatch(role -> "java".equals(role.getName())), "roles are listed");
        check(administration.listUsers(email, null, true, null, 10).getItems().size() == 1, "users are found");
        check("forbidden".equals(refusal(403, () -> new AdministrationApi(client(signIn.login(new LoginRequest().email(email).password(password)).getAccessToken())).listRoles()).getErrorCode()), "administration is for administrators");
        administration.removeRole("java");
        check(new SignInApi(client(tokens.getAccessToken())).logout(new LogoutRequest()).getSuccess(), "signed out");
        check("invalid_token".equals(refusal(401, () -> users.getMe()).getErrorCode()), "a token is worth nothing after that");
        System.exit(failures == 0 ? 0 : 1);
    }

    interface Call {
        void run() throws ApiException;
    }

    static ApiClient client(String token) {
        ApiClient client = new ApiClient();
        client.setRequestInterceptor(request -> { if (token != null) request.header("Authorization", "Bearer " + token); });
        java.net.URI base = java.net.URI.create(System.getenv("BASE_URL"));
        client.setScheme(base.getScheme()).setHost(base.getHost()).setPort(base.getPort());
        // An answer has what the document says, and no more: applications leave this off, since answers may gain members.
        client.getObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, true);
        return client;
    }

    static Failure refusal(int status, Call call) throws Exception {
        try {
            call.run();
        } catch (ApiException refused) {
            check(refused.getCode() == status, "expected " + status + ", got " + refused.getCode() + " " + refused.getResponseBody());
            return new ApiClient().getObjectMapper().readValue(refused.getResponseBody(), Failure.class);
        }

        check(false, "expected " + status + ", and nothing was refused");
        return new Failure();
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            failures++;
            System.out.println(what);
        }
    }
}
