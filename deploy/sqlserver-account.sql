-- Run by docker-compose.yml as sa. $(DB_PASSWORD) comes from the environment. May be run again: it then sets the password anew.
IF DB_ID(N'identity') IS NULL CREATE DATABASE [identity];
GO
-- Readers do not wait for writers (docs/operations.md).
IF (SELECT is_read_committed_snapshot_on FROM sys.databases WHERE name = N'identity') = 0
    ALTER DATABASE [identity] SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE;
GO
IF SUSER_ID(N'identity') IS NULL
    CREATE LOGIN [identity] WITH PASSWORD = N'$(DB_PASSWORD)', DEFAULT_DATABASE = [identity];
ELSE
    ALTER LOGIN [identity] WITH PASSWORD = N'$(DB_PASSWORD)';
GO
USE [identity];
GO
IF USER_ID(N'identity') IS NULL CREATE USER [identity] FOR LOGIN [identity];
ALTER ROLE db_owner ADD MEMBER [identity];
GO
